import itertools
import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch

from language.data.stream import IGNORED, SegmentBatch
from language.training.config import PretrainConfig
from language.training.data import training_stream
from language.training.module import MOST_SKIPPED, CarryingLM, LanguageModule, summed_loss
from language.training.pretraining import new_model, pretrain_model
from tests.forked import ended, forked
from tests.language.training.conftest import MODEL, VOCABULARY, documents
from tests.resuming import power_cut, same_weights
from tests.tolerances import assert_close
from titans_seq.blocks import AttentionBlockConfig
from titans_seq.errors import UserError
from titans_seq.experiment.history import LOG, History
from titans_seq.experiment.run_folder import CHECKPOINTS, last_checkpoint
from titans_seq.experiment.settings import Hardware, Runtime
from titans_seq.layers import AttentionConfig
from titans_seq.models import CausalLM, map_state
from titans_seq.training.carry import common_length

CPU = Runtime(Hardware("cpu"))


def pretrained(config, train, validation, folder, *, progress="none", **options) -> CausalLM:
    runtime = replace(CPU, progress=progress)
    trained, _ = pretrain_model(new_model(MODEL, config), config, train, validation, folder, runtime=runtime, **options)
    assert trained is not None
    return trained


def changed(config: PretrainConfig, batches=None, records=None, **others) -> PretrainConfig:
    return replace(
        config,
        batches=replace(config.batches, **batches or {}),
        records=replace(config.records, **records or {}),
        **others,
    )


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, train, validation, config) -> tuple[CausalLM, Path]:
    """What the settings of all these tests give, and the folder of it; nothing changes either."""
    folder = tmp_path_factory.mktemp("unbroken")
    return pretrained(config, train, validation, folder), folder


def test_learns(tmp_path, train, validation, config):
    records = {"log_every": 7, "validate_every": 14, "checkpoint_every": 14}
    config = changed(config, batches={"rows": 4}, records=records, steps=14)
    config = replace(config, optimiser=replace(config.optimiser, lr=1e-2))
    pretrained(config, train, validation, tmp_path, tokens_per_byte=0.5)
    rows = History.read(tmp_path / LOG).rows
    assert rows[0]["loss"] > rows[1]["loss"] + 0.1
    last = rows[-1]
    assert last["validation_loss"] < math.log(13) - 0.3
    assert last["perplexity"] == pytest.approx(math.exp(last["validation_loss"]))
    assert last["bits_per_byte"] == pytest.approx(last["validation_loss"] / math.log(2) / 2)


def test_what_is_written_and_what_the_log_holds(tmp_path, train, validation, config, capsys):
    config = changed(config, batches={"pack": False}, records={"peak_flops": 1e12})
    pretrained(config, train, validation, tmp_path, progress="lines")
    kept = sorted(path.name for path in (tmp_path / CHECKPOINTS).iterdir())
    assert kept == ["step-00000002.ckpt", "step-00000004.ckpt"]
    rows = History.read(tmp_path / LOG).rows
    assert [row["step"] for row in rows] == [2, 3, 4, 4]
    assert ["validation_loss" in row for row in rows] == [False, True, False, True]
    first = rows[0]
    read = itertools.islice(training_stream(config, train), 4)  # two steps of two batches
    assert first["tokens"] == sum(int((batch.targets != IGNORED).sum()) for batch in read) < 128
    assert first["lr"] == pytest.approx(3e-3)
    assert 0 < first["flops_utilisation"] < 1
    assert first["gradient_norm"] > 0
    assert 0 < first["memory_momentum"] < 1
    assert first["memory_surprise"] > 0
    assert "bits_per_byte" not in rows[1]
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 4
    assert printed[1].startswith("step 3/4: validation loss")


def test_what_is_written_is_charged_for_and_logged(tmp_path, train, config, unbroken):
    pretrained(replace(config, write_cost=0.5), train, None, tmp_path)
    free, charged = (
        [row for row in History.read(folder / LOG).rows if "loss" in row] for folder in (unbroken[1], tmp_path)
    )
    assert not any("write_cost" in row for row in free)
    assert all(0 < row["write_cost"] < 0.5 * 2 for row in charged)
    assert free[0]["gradient_norm"] != charged[0]["gradient_norm"]
    assert free[0]["loss"] == pytest.approx(charged[0]["loss"], rel=0.01)  # without the cost
    assert free[-1]["memory_lr"] > charged[-1]["memory_lr"]


def test_blocks_that_are_computed_twice_learn_the_same(tmp_path, train, config, unbroken):
    again = pretrained(replace(config, gradient_checkpointing=True), train, None, tmp_path)
    assert same_weights(again, unbroken[0])


def test_nothing_is_counted_where_writing_is_free(tmp_path, train, config, monkeypatch):
    monkeypatch.setattr("titans_seq.training.writes.counted_writes", lambda model: pytest.fail("counted"))
    pretrained(replace(config, steps=1), train, None, tmp_path)


def test_leaves_random_numbers_alone(train, config):
    before = torch.get_rng_state()
    pretrained(replace(config, steps=1), train, None, None)  # makes a model before and after
    assert torch.equal(torch.get_rng_state(), before)


def test_packed_documents_are_read_as_if_each_were_alone(config):
    train, model = documents(12, seed=0), new_model(MODEL, config)
    network, cut = CarryingLM(model), common_length(model)
    batches = list(training_stream(changed(config, batches={"length": 32}), train, cut=cut))
    read, going, state = [], [], None  # ids and logits of all, and those that the next batch goes on with
    packed: tuple[torch.Tensor, ...] = ()
    for number, batch in enumerate(batches):
        assert batch.cu_seqlens is not None
        assert batch.fresh is not None
        assert batch.goes_on is not None
        logits, state = network(batch, state)
        if number == 0:
            loss, _ = summed_loss(logits, batch.targets)
            packed = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
        before, going = iter(going), []
        pieces = (x[0].tensor_split(batch.cu_seqlens[1:-1]) for x in (batch.ids, logits))
        for ids, some, fresh, goes_on in zip(*pieces, batch.fresh.tolist(), batch.goes_on.tolist(), strict=True):
            text = [(ids, some)] if fresh else [*next(before), (ids, some)]
            (going if goes_on else read).append(text)
        state = map_state(state, torch.Tensor.detach)
    assert not going
    assert len(read) >= 12
    assert max(map(len, read)) >= 3
    for text in read:
        ids, logits = map(torch.cat, zip(*text, strict=True))
        assert_close(logits, model(ids.unsqueeze(0))[0][0], 1e-5)
    first = batches[0]
    assert first.cu_seqlens is not None
    targets = first.targets.tensor_split(first.cu_seqlens[1:-1], 1)
    losses = [
        summed_loss(model(ids)[0], wanted)[0]
        for ids, wanted in zip(first.ids.tensor_split(first.cu_seqlens[1:-1], 1), targets, strict=True)
    ]
    one_by_one = torch.autograd.grad(torch.stack(losses).sum(), list(model.parameters()))
    for ours, alone in zip(packed, one_by_one, strict=True):
        assert_close(ours, alone, 1e-5 * float(alone.abs().max().clamp(min=1)))


def test_every_parameter_takes_part_where_no_document_begins(train, config):
    network = CarryingLM(new_model(MODEL, config))
    ids = torch.arange(12).unsqueeze(0)
    some = SegmentBatch(ids, ids, torch.tensor([True]), torch.tensor([0, 12]), torch.tensor([True]))
    _, state = network(some, None)
    logits, _ = network(some._replace(fresh=torch.tensor([False])), map_state(state, torch.Tensor.detach))
    gradients = torch.autograd.grad(logits.sum(), list(network.parameters()), allow_unused=True)
    assert all(gradient is not None for gradient in gradients)


def test_a_document_begins_with_what_another_left(config, monkeypatch):
    model = new_model(MODEL, config)
    network, (one, two, three) = CarryingLM(model, foreign_starts=0.5), torch.randint(VOCABULARY, (3, 1, 16))

    def packed(pieces, fresh):
        ids, borders = torch.cat(pieces, 1), torch.tensor([0, *(piece.shape[1] for piece in pieces)]).cumsum(0)
        return SegmentBatch(ids, ids, torch.tensor(fresh), borders, torch.tensor([False] * len(fresh)))

    monkeypatch.setattr(torch, "rand", lambda count: torch.arange(count) / 2)  # the first piece begins with a state
    first = packed([one[:, :5], two], [True, True])
    _, state = network(first, None)
    assert state is not None
    assert state.batch == 1  # of the piece that is a whole number of chunks
    logits, _ = network(packed([three, three], [True, True]), state)
    together = model(torch.cat([two, three], 1))[0][0]
    assert_close(logits[0, :16], together[16:], 1e-5)
    assert_close(logits[0, 16:], model(three)[0][0], 1e-5)

    rows = SegmentBatch(torch.cat([one, two]), torch.cat([one, two]), torch.tensor([True, True]))
    _, state = network(rows, None)
    logits, _ = network(rows._replace(ids=torch.cat([three, three])), state)
    assert_close(logits[0], model(torch.cat([one, three], 1))[0][0, 16:], 1e-5)
    assert_close(logits[1], model(three)[0][0], 1e-5)
    logits, _ = network.eval()(rows._replace(ids=torch.cat([three, three])), state)
    assert_close(logits[0], logits[1], 1e-5)


@pytest.mark.parametrize(
    ("mode", "pack", "foreign"),
    [("carry", True, 0.0), pytest.param("carry", False, 0.0, marks=pytest.mark.slow), ("random", True, 0.5)],
)
def test_a_stopped_run_ends_as_an_unbroken_one_bit_for_bit(
    tmp_path, train, validation, config, mode, pack, foreign, unbroken
):
    expected, whole = unbroken
    if (chosen := changed(config, batches={"mode": mode, "pack": pack, "foreign_starts": foreign})) != config:
        config, whole = chosen, tmp_path / "whole"
        expected = pretrained(config, train, validation, whole)
    # In the middle of a step's accumulation, one step after a checkpoint.
    with power_cut(LanguageModule, lambda module, batch: module.global_step == 3 and batch % 2 == 1):
        pretrained(config, train, validation, tmp_path / "cut")
    assert sorted(path.name for path in (tmp_path / "cut" / CHECKPOINTS).iterdir())[-1] == "step-00000002.ckpt"
    torch.manual_seed(99)
    model = new_model(MODEL, replace(config, seed=99))  # whose weights must not matter
    resumed, _ = pretrain_model(model, config, train, validation, tmp_path / "cut", runtime=CPU, resume=True)
    assert resumed is not None
    assert same_weights(resumed, expected)
    logs = [
        [{key: value for key, value in row.items() if key != "tokens_per_second"} for row in History.read(path).rows]
        for path in (whole / LOG, tmp_path / "cut" / LOG)
    ]
    assert logs[0] == logs[1]


def test_a_killed_run_ends_as_an_unbroken_one_bit_for_bit(tmp_path, train, config, unbroken):
    config = changed(config, records={"checkpoint_every": 1, "keep": 1})

    def killed() -> None:
        original = pl.Trainer.save_checkpoint

        def save(trainer, path, **options):
            original(trainer, path, **options)
            if trainer.global_step == 3:  # at the worst moment: the file is there, and not whole
                os.truncate(path, 1000)
                os.kill(os.getpid(), signal.SIGKILL)

        pytest.MonkeyPatch().setattr(pl.Trainer, "save_checkpoint", save)
        pretrained(config, train, None, tmp_path)

    assert ended(forked(killed)) == -signal.SIGKILL
    assert last_checkpoint(tmp_path / CHECKPOINTS) == tmp_path / CHECKPOINTS / "step-00000002.ckpt"
    assert same_weights(pretrained(config, train, None, tmp_path, resume=True), unbroken[0])


def test_a_step_that_is_not_finite_is_left_out(tmp_path, train, config, monkeypatch):
    original = LanguageModule.training_step
    weights = []

    def spiked(self, batch, batch_idx):
        loss = original(self, batch, batch_idx)
        weights.append([p.detach().clone() for p in self.parameters()])
        return loss * math.nan if self.global_step == 1 else loss

    monkeypatch.setattr(LanguageModule, "training_step", spiked)
    often = changed(config, batches={"tokens": 32}, records={"log_every": 1})
    model = pretrained(often, train, None, tmp_path)
    assert [row["skipped"] for row in History.read(tmp_path / LOG).rows] == [0, 1, 1, 1]
    assert all(torch.equal(a, b) for a, b in zip(weights[1], weights[2], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(weights[2], weights[3], strict=True))
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_too_many_steps_that_are_not_finite_end_the_training(tmp_path, train, config):
    model = new_model(MODEL, config)
    with torch.no_grad():
        model.embedding.weight.fill_(math.inf)
    config = changed(config, batches={"rows": 1, "tokens": 16}, steps=50)
    with pytest.raises(UserError, match=f"{MOST_SKIPPED} steps in a row up to step {MOST_SKIPPED} .* learning rate"):
        pretrain_model(model, config, train, None, tmp_path, runtime=CPU)


def test_how_many_batches_make_a_step(config):
    assert [replace(config.batches, rows=rows).accumulate(processes=1) for rows in (1, 2, 4)] == [4, 2, 1]
    assert replace(config.batches, rows=1).accumulate(processes=2) == 2


def test_a_checkpoint_of_another_model_or_other_data_is_refused(tmp_path, train, validation, config):
    pretrained(replace(config, steps=1), train, None, tmp_path)
    other = new_model(replace(MODEL, depth=3), config)
    with pytest.raises(UserError, match="is of another model"):
        pretrain_model(other, config, train, None, tmp_path, runtime=CPU, resume=True)
    with pytest.raises(UserError, match="other token shards"):
        pretrained(config, validation, None, tmp_path, resume=True)


def test_what_cannot_be_carried_is_refused(config):
    with pytest.raises(UserError, match="the training length 24 is not a multiple of 16"):
        new_model(MODEL, changed(config, batches={"length": 24, "tokens": 48}))
    everything = replace(MODEL, blocks=(AttentionBlockConfig(AttentionConfig(2, None)),))
    with pytest.raises(UserError, match="--mode random"):
        new_model(everything, config)
    without = changed(config, batches={"mode": "random"})
    new_model(everything, without)
    with pytest.raises(UserError, match="--mode random and no --foreign-starts"):
        new_model(everything, changed(without, batches={"foreign_starts": 0.5}))
    with pytest.raises(UserError, match="a write cost of 0.1 for a model without memory: leave it out"):
        new_model(everything, replace(without, write_cost=0.1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"compile": True}, "for every batch of packed documents: add --no-pack"),
        ({"write_cost": -1.0}, "write_cost must be at least 0, got -1"),
        ({"write_cost": math.nan}, "write_cost must be at least 0, got nan"),
        ({"batches": {"rows": 0}}, "rows must be at least 1, got 0"),
        ({"batches": {"foreign_starts": 1.0}}, "foreign_starts must be at least 0 and below 1"),
        ({"batches": {"tokens": 100}}, "a step of 100 tokens cannot be made of batches of 2 rows of 16 .* such as 96"),
        ({"batches": {"tokens": 16}}, "a multiple of 32, such as 32"),
        ({"records": {"peak_flops": 0.0}}, "peak_flops must be above 0"),
        ({"records": {"validation_batches": 0}}, "validation_batches must be at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(config: PretrainConfig, change, message):
    with pytest.raises(UserError, match=message):
        changed(config, **change)


def test_a_last_line_of_the_log_that_was_cut_off_is_passed_over(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"step": 1}) + '\n{"ste')
    assert History.read(path).rows == ({"step": 1},)
    path.write_text('{"ste\n{"step": 1}\n')
    with pytest.raises(UserError, match=r"log.jsonl, line 1: damaged"):
        History.read(path)

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from language import load_tokenizer, prepare
from language.cli.main import GROUP
from language.inference.opening import open_model
from language.runs.config import RunConfig
from language.runs.corpus import describe_data, open_corpus
from language.runs.runs import new_run, resume_run
from language.tokenizers import CharacterTokenizer
from language.training.config import PretrainConfig
from language.training.module import LanguageModule
from titans_seq.blocks import LMMConfig
from titans_seq.cli import main
from titans_seq.config import from_yaml, to_yaml
from titans_seq.errors import UserError
from titans_seq.experiment.record import read_config
from titans_seq.experiment.settings import Hardware, Runtime
from titans_seq.models import language_model
from titans_seq.models.saving import load_model

SMALL = "--preset tiny-lmm --max-steps 2 --length 32 --batch-tokens 64 --checkpoint-every 1 --set model.depth=1".split()
pytestmark = pytest.mark.usefixtures("blank_pictures")
TEXT = "To be, or not to be: that is the question.\n" * 60


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    (folder / "a.txt").write_text(TEXT)
    prepare([folder / "a.txt"], load_tokenizer("bytes"), folder / "shards", validation=0.03, split_by="position")
    return folder / "shards"


def titans(*options: object) -> None:
    quiet = ("--accelerator", "cpu", "--progress", "none")
    assert GROUP(["pretrain", *map(str, options), *quiet], "titans lm") == 0


def pretrain(shards: Path, out: Path, *options: object) -> None:
    titans("--data", shards, "--out", out, *SMALL, *options)


def dry_run(capsys: pytest.CaptureFixture[str], shards: Path, *options: object) -> RunConfig:
    """The configuration that a command line would train with."""
    capsys.readouterr()
    titans("--data", shards, "--out", "nowhere", "--dry-run", *options)
    return from_yaml(capsys.readouterr().out, RunConfig)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def run(shards, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "x"
    pretrain(shards, out)
    return out


def test_a_run_folder_holds_everything_and_no_pickle_in_its_model(run):
    assert names(run) == ["checkpoints", "config.yaml", "log.jsonl", "model", "training.png"]
    assert names(run / "model") == ["card.md", "config.yaml", "tokenizer.yaml", "weights.safetensors"]
    config = read_config(run, RunConfig)
    assert config.model.vocabulary == 257
    assert config.origin.command is not None
    assert config.tokenizer.kind == "bytes"
    card = (run / "model" / "card.md").read_text()
    assert "1 of LMM" in card
    assert "bits a byte" in card
    assert (run / "training.png").read_bytes().startswith(b"\x89PNG")


def test_the_model_of_a_run_loads_and_goes_on_where_it_was_left(run):
    tokenizer, model = load_tokenizer(run / "model"), load_model(run)
    assert not model.training
    ids = torch.tensor([tokenizer.encode("To be, or not")])
    whole, _ = model(ids)
    _, state = model(ids[:, :5])
    second, _ = model(ids[:, 5:], state)
    torch.testing.assert_close(second, whole[:, 5:], atol=1e-5, rtol=1e-5)


def test_says_what_came_of_it(shards, tmp_path, capsys):
    pretrain(shards, tmp_path / "y")
    printed = capsys.readouterr().out
    assert printed.startswith("validation loss ")
    assert "bits a byte" in printed
    assert f"titans lm generate {tmp_path / 'y'}" in printed


def test_a_run_that_was_stopped_is_finished_with_resume(shards, run, tmp_path, capsys):
    out = tmp_path / "cut"
    shutil.copytree(run, out)
    shutil.rmtree(out / "model")
    with pytest.raises(UserError, match="was not finished .* finish it with `titans lm pretrain --resume"):
        pretrain(shards, out)
    titans("--resume", "--out", out)
    for name, tensor in load_model(run).state_dict().items():
        assert torch.equal(tensor, load_model(out).state_dict()[name]), name
    assert "nothing was left to train" not in capsys.readouterr().out
    titans("--resume", "--out", out)
    assert "nothing was left to train; --resume with a larger --max-steps" in capsys.readouterr().out


def test_resume_takes_no_other_settings(run):
    with pytest.raises(UserError, match="--resume goes on with the settings stored in the run"):
        titans("--resume", "--out", run, "--lr", 0.1)
    with pytest.raises(UserError, match="would not read --length, --lr, --seed, --dry-run: leave out all options but"):
        titans("--resume", "--out", run, "--length", 256, "--lr=0.001", "--seed", 0, "--dry_run")
    with pytest.raises(UserError, match=r"--max-steps 1: the run in .* is to have 2 steps and has made 2: give more"):
        titans("--resume", "--out", run, "--max-steps", 1)
    with pytest.raises(UserError, match="is not a run folder"):
        titans("--resume", "--out", run / "model" / "nowhere")


def test_resume_refuses_changed_data(shards, run, tmp_path):
    out = tmp_path / "cut"
    shutil.copytree(run, out)
    shutil.rmtree(out / "model")
    config = yaml.safe_load((out / "config.yaml").read_text())
    config["data"][0]["sha256"] = "0" * 64
    (out / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match="are not those that it was started on"):
        titans("--resume", "--out", out)


def test_a_missing_or_another_tokenizer_is_said_before_training(shards, tmp_path):
    copied, out = tmp_path / "shards", tmp_path / "run"
    shutil.copytree(shards, copied)
    described = (copied / "tokenizer.yaml").read_text()
    (copied / "tokenizer.yaml").write_text(described.replace("kind: bytes", "kind: characters"))
    with pytest.raises(UserError):
        pretrain(copied, out)
    (copied / "tokenizer.yaml").unlink()
    with pytest.raises(UserError, match="holds no saved tokenizer"):
        pretrain(copied, out)
    assert not out.exists()


def test_a_taken_folder_is_refused_or_replaced(shards, run, tmp_path):
    with pytest.raises(UserError, match="already holds a trained model"):
        pretrain(shards, run)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="holds other files and no run"):
        pretrain(shards, tmp_path / "notes", "--overwrite")
    out = tmp_path / "again"
    shutil.copytree(run, out)
    (out / "mine.txt").write_text("mine")
    pretrain(shards, out, "--overwrite", "--max-steps", 1)
    assert (out / "mine.txt").read_text() == "mine"
    assert json.loads((out / "log.jsonl").read_text().splitlines()[0])["step"] == 1


def test_a_failure_before_the_first_checkpoint_leaves_nothing(shards, tmp_path, monkeypatch):
    from language.training.module import LanguageModule

    def broken(self, batch, batch_idx):
        raise RuntimeError("no luck")

    monkeypatch.setattr(LanguageModule, "training_step", broken)
    with pytest.raises(RuntimeError, match="no luck"):
        pretrain(shards, tmp_path / "new")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--preset tiny-rnn", "--preset: unknown language model 'tiny-rnn'"),
        ("--preset tiny-transformer --gates hard", "--gates hard: the model has no memory whose gates could be hard"),
        ("--preset tiny-window --write-cost 0.1", "a write cost of 0.1 for a model without memory: leave it out"),
        ("--max-steps 0", "steps must be at least 1"),
        ("--length 48 --batch-tokens 96", "the training length 48 is not a multiple of 32"),
        ("--batch-tokens 40", "a step of 40 tokens cannot be made"),
        ("--lr -1", "lr must be above 0"),
        ("--write-cost -1", "write_cost must be at least 0, got -1"),
        ("--data /no/such", "/no/such"),
        ("--weights -1", "the weights of a mixture must be above 0, got -1.0"),
        ("--init /no/such", "/no/such/weights.safetensors: no such file"),
        ("--set model.dim=7", "the model cannot be built as configured: width 7 is not a multiple of 4 heads"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(shards, tmp_path, options, message, monkeypatch, capsys):
    with pytest.raises(UserError, match=message):
        pretrain(shards, tmp_path / "new", *options.split())
    assert names(tmp_path) == []


def test_data_and_devices_are_asked_for(tmp_path):
    with pytest.raises(UserError, match="no data is given: add --data"):
        titans("--out", tmp_path / "new")
    with pytest.raises(UserError, match="devices must be at least 1, got 0"):
        titans("--out", tmp_path / "new", "--devices", "0")
    assert names(tmp_path) == []


def test_what_is_not_given_is_filled_in(shards, capsys):
    given = ("--length", 64, "--batch-tokens", 128)
    config = dry_run(capsys, shards, *given).training
    tokens = len(TEXT) * 0.97
    assert config.steps is not None
    assert tokens / 128 <= config.steps <= tokens / 128 + 2
    assert config.batches.rows_of(processes=1) == 2
    assert config.optimiser.lr == 1e-3
    assert config.batches.pack
    assert not dry_run(capsys, shards, "--no-pack", *given).training.batches.pack
    assert dry_run(capsys, shards, "--preset", "tiny-transformer", *given).training.batches.mode == "random"


def test_the_command_line_wins_over_the_file_and_the_file_over_the_preset(shards, run, tmp_path, capsys):
    pretrain(shards, tmp_path / "x", "--lr", 0.5, "--weight-decay", 0.3, "--set", "model.blocks.0.memory.heads=2")
    config = dry_run(capsys, shards, "--config", tmp_path / "x", "--lr", "1e-3", "--set", "training.seed=7")
    assert (config.training.optimiser.lr, config.training.optimiser.weight_decay) == (1e-3, 0.3)
    assert (config.training.seed, config.training.steps) == (7, 2)
    (block,) = config.model.blocks
    assert isinstance(block, LMMConfig)
    assert block.memory.heads == 2
    with pytest.raises(UserError, match="trainin: unknown field, expected one of model, training; did you mean"):
        dry_run(capsys, shards, "--set", "trainin.seed=7")


def test_a_run_begins_with_the_model_of_another_one(shards, run, tmp_path, capsys):
    small = ("--length", 32, "--batch-tokens", 64, "--max-steps", 1)
    titans("--data", shards, "--out", tmp_path / "x", "--init", run, *small, "--lr", "1e-12", "--mode", "random")
    for name, tensor in load_model(run).state_dict().items():
        torch.testing.assert_close(load_model(tmp_path / "x").state_dict()[name], tensor, msg=name)
    titans("--data", shards, "--out", tmp_path / "z", "--config", tmp_path / "x")
    assert "note: the run of --config began with the model in" in capsys.readouterr().out
    begun = ("--data", shards, "--out", tmp_path / "y", "--init", run, "--max-steps", 1)
    titans(*begun, "--dry-run")
    for options, message in (
        (("--preset", "tiny-mac"), "is another than the configured one: model.blocks.0 was lmm, is mac; .*--preset"),
        (("--set", "model.depth=3"), "is another than the configured one: model.depth was 1, is 3: .*--set"),
        (("--set", "model.blocks.0.memory.chunk_size=8"), "model.blocks.0.memory.chunk_size was 32, is 8: "),
        (("--length", 16), "the training length 16 is not a multiple of 32"),
    ):
        for dry in ((), ("--dry-run",)):
            with pytest.raises(UserError, match=message):
                titans(*begun, *options, *dry)
    (tmp_path / "a.txt").write_text("some text")
    prepare([tmp_path / "a.txt"], CharacterTokenizer.build(["some text"]), tmp_path / "others")
    with pytest.raises(UserError, match="another tokenizer .* titans lm prepare --tokenizer .*model"):
        titans("--data", tmp_path / "others", "--out", tmp_path / "y", "--init", run)
    assert not (tmp_path / "y").exists()


def test_a_finished_run_is_trained_further_on_shards_that_were_moved(shards, run, tmp_path, capsys):
    out, moved = tmp_path / "longer", tmp_path / "moved"
    shutil.copytree(run, out)
    shutil.copytree(shards, moved)
    config = yaml.safe_load((out / "config.yaml").read_text())
    config["data"][0]["path"] = str(tmp_path / "gone")
    (out / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match="are gone: .* say with --data where they are now"):
        titans("--resume", "--out", out, "--max-steps", 3)
    (out / "hf").mkdir()
    titans("--resume", "--out", out, "--max-steps", 3, "--data", moved)
    assert f"note: {out}/hf is of the model before: make anew what you use" in capsys.readouterr().out
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "validation_loss" in row] == [2, 3]
    assert not torch.equal(load_model(out).embedding.weight, load_model(run).embedding.weight)
    assert read_config(out, RunConfig).training.steps == 3


def test_a_run_that_is_trained_further_and_stopped_has_the_earlier_model_aside_and_goes_on(
    shards, run, tmp_path, monkeypatch, capsys
):
    out, whole = tmp_path / "longer", tmp_path / "whole"
    for folder in (out, whole):
        shutil.copytree(run, folder)
    titans("--resume", "--out", whole, "--max-steps", 4)

    step = LanguageModule.training_step

    def stopped(self: LanguageModule, *given: Any) -> Any:
        if self.trainer.global_step == 3:
            raise KeyboardInterrupt
        return step(self, *given)

    monkeypatch.setattr(LanguageModule, "training_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        resume_run(out, steps=4, runtime=Runtime(Hardware("cpu"), "none"))
    monkeypatch.undo()
    assert not (out / "model").exists()
    with pytest.raises(UserError, match=r"was not finished .*trained further is .*earlier-model"):
        open_model(out, "cpu")
    assert torch.equal(load_model(out / "earlier-model").embedding.weight, load_model(run).embedding.weight)
    capsys.readouterr()
    titans("--resume", "--out", out)
    assert "nothing was left" not in capsys.readouterr().out
    assert torch.equal(load_model(out).embedding.weight, load_model(whole).embedding.weight)
    assert names(out) == names(run)


def test_a_run_that_cannot_be_trained_further_is_as_it_was(run, tmp_path, monkeypatch):
    out = tmp_path / "longer"
    shutil.copytree(run, out)

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(LanguageModule, "training_step", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        resume_run(out, steps=4, runtime=Runtime(Hardware("cpu"), "none"))
    assert names(out) == names(run)
    assert (out / "config.yaml").read_text() == (run / "config.yaml").read_text()
    assert (out / "log.jsonl").read_text() == (run / "log.jsonl").read_text()


def test_shards_are_mixed_by_weight(shards, tmp_path, capsys):
    (tmp_path / "b.txt").write_text("0123456789" * 200)
    prepare([tmp_path / "b.txt"], load_tokenizer("bytes"), tmp_path / "digits")
    mixed = ("--data", tmp_path / "digits", "--weights", 9, 1)
    pretrain(shards, tmp_path / "x", *mixed)
    # A single document each.
    assert "of its tokens from the folders, where the weights are 90%, 10%" in capsys.readouterr().out
    run = read_config(tmp_path / "x", RunConfig)
    assert [(Path(one.path).name, one.options["weight"]) for one in run.data] == [("shards", 9.0), ("digits", 1.0)]
    log = [json.loads(line) for line in (tmp_path / "x" / "log.jsonl").read_text().splitlines()]
    assert "bits_per_byte" in log[-1]
    with pytest.raises(UserError, match="--weights has 1 numbers for --data given 2 times"):
        pretrain(shards, tmp_path / "y", *mixed[:2], "--weights", 3)
    with pytest.raises(UserError, match="--data names 1 folders, the run in .* reads 2"):
        titans("--resume", "--out", tmp_path / "x", "--data", shards, "--max-steps", 3)


def test_bits_a_byte_of_a_mixture_are_those_of_what_it_reads(shards, tmp_path):
    """Four bytes a token in one part, one in the other; and none where one of the parts lost text."""
    weights = {"weight": 3.0}
    records = []
    for name, text in (("wide", "😀" * 500), ("narrow", "abcd" * 500)):
        (tmp_path / f"{name}.txt").write_text(text)
        tokenizer = CharacterTokenizer("abcd😀")
        prepare([tmp_path / f"{name}.txt"], tokenizer, tmp_path / name, validation=0.2, split_by="position")
        records += [replace(one, options=weights) for one in describe_data([tmp_path / name])]
        weights = {"weight": 1.0}
    # Three tokens of four bytes to one of one, but for the two that end a document.
    assert open_corpus(records).tokens_per_byte == pytest.approx(4 / (3 * 400 / 101 + 400 / 401), rel=1e-6)
    manifest = tmp_path / "narrow" / "manifest.json"
    plain = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(plain | {"sampled": 10, "lost": {"x": 1}}))
    assert open_corpus(records).tokens_per_byte is None


OLD_RUN = """\
pretrain:
  model: {vocabulary: 257, dim: 32, blocks: [{kind: lmm}], depth: 1}
  steps: 100
  optimiser: {lr: 0.002, least: 0.1, warmup: 50, betas: [0.9, 0.95], weight_decay: 0.1, clip: 1.0}
  batches: {length: 32, rows: 2, tokens: 64, mode: carry}
data: /data/shards
fingerprint: abc
tokenizer: {kind: bytes, vocabulary: 257, end_of_document: 256, sha256: null}
versions: {python: 3.11.9, titans-seq: 0.1.0}
"""


def test_the_run_folders_of_earlier_versions_are_read(tmp_path):
    (tmp_path / "config.yaml").write_text(OLD_RUN)
    run = read_config(tmp_path, RunConfig)
    assert (run.data[0].path, run.data[0].sha256, run.origin.versions["titans-seq"]) == ("/data/shards", "abc", "0.1.0")
    assert run.training.batches.rows == 2
    assert not run.training.batches.pack
    # As written between the two forms, when documents were padded.
    (tmp_path / "config.yaml").write_text(to_yaml(run).replace("    pack: false\n", ""))
    assert "pack" not in (tmp_path / "config.yaml").read_text()
    assert read_config(tmp_path, RunConfig) == run
    assert run.training.optimiser.warmup_steps(100) == 50


def test_hard_gates_and_the_cost_of_writing_are_part_of_the_run(shards, tmp_path):
    pretrain(shards, tmp_path / "x", "--gates", "hard", "--write-cost", 0.1, "--log-every", 1)
    config = read_config(tmp_path / "x", RunConfig).training
    (block,) = load_model(tmp_path / "x").config.blocks
    assert isinstance(block, LMMConfig)
    assert (block.memory.gates.form, block.memory.gates.source) == ("hard", "convolved")
    assert config.write_cost == 0.1
    rows = map(json.loads, (tmp_path / "x" / "log.jsonl").read_text().splitlines())
    assert all(row["write_cost"] > 0 for row in rows if "loss" in row)


def test_gates_that_a_named_model_does_not_have_are_refused(shards, tmp_path, capsys):
    options = ("--data", str(shards), "--out", str(tmp_path / "x"), "--preset", "tiny-mag-recall", "--dry-run")
    assert main(["lm", "pretrain", *options, "--gates", "sigmoid"]) == 2
    assert "error: --gates sigmoid: the model that is named has hard gates" in capsys.readouterr().err
    assert main(["lm", "pretrain", *options]) == 0
    assert "form: hard" in capsys.readouterr().out


def test_a_model_of_another_vocabulary_is_refused(shards):
    model = replace(language_model("tiny-lmm"), vocabulary=100)
    with pytest.raises(UserError, match="has 257 tokens, the model is of 100"):
        new_run(shards, model, PretrainConfig())


@pytest.mark.parametrize("size", ["170m", "340m", "400m", "760m"])
def test_the_papers_sizes_are_ready_to_run(size: str, shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = dry_run(capsys, shards, "--preset", f"mac-{size}", "--strategy", "fsdp", "--devices", "8")
    batches = config.training.batches
    assert (batches.length, batches.tokens) == (4096, 524_288)
    assert batches.accumulate(8) == {"170m": 4, "340m": 8, "400m": 8, "760m": 16}[size]
    assert config.training.precision == "bf16-mixed"
    assert config.model.depth == (12 if size == "170m" else 24)

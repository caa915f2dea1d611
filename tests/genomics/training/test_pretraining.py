import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from genomics.models import StemConfig
from genomics.models.untrained import PretrainModel
from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.values import Record
from genomics.tokens import KMers, Nucleotides
from genomics.training.config import PretrainConfig
from genomics.training.pretraining import PretrainModule, new_pretrain_model, pretrain
from genomics.training.windows import IGNORED, Genome, ValidationLoader, WindowLoader
from tests.genomics.small import encoder, records
from tests.resuming import power_cut, same_weights
from titans_seq.errors import UserError
from titans_seq.experiment.run_folder import CHECKPOINTS
from titans_seq.experiment.settings import Hardware, OptimiserConfig, Runtime

CPU = Runtime(Hardware("cpu"))
CONFIG = PretrainConfig(
    objective="next", steps=6, length=40, rows=4, optimiser=OptimiserConfig(lr=1e-2), validation=0.1, every=2
)
BOTH = encoder(directions="both")
STEM = encoder(directions="both", stem=StemConfig((5, 3)))


def genome(share: float = 0.1) -> Genome:
    return Genome(records(), Nucleotides(), share)


def pretrained(folder, config: PretrainConfig = CONFIG, shape=BOTH, **options) -> PretrainModel:
    model = new_pretrain_model(shape, Nucleotides(), config)
    pretrain(model, genome(config.validation), config, folder, runtime=CPU, **options)
    return model


@pytest.mark.parametrize(("objective", "shape"), [("next", BOTH), ("masked", STEM)])
def test_learns(tmp_path, objective, shape):
    config = replace(CONFIG, objective=objective, steps=36, every=36, rows=8)
    model = new_pretrain_model(shape, Nucleotides(), config)
    history = pretrain(model, genome(), config, tmp_path, runtime=CPU)
    assert history.best["validation_loss"] < math.log(4) - 0.3
    assert not model.training


def test_a_stopped_run_ends_as_an_unbroken_one_bit_for_bit(tmp_path):
    config = replace(CONFIG, objective="masked", both_strands=True)
    expected = pretrained(tmp_path / "whole", config)
    with power_cut(PretrainModule, lambda module, _: module.global_step == 5):
        pretrained(tmp_path / "cut", config)
    assert sorted(path.name for path in (tmp_path / "cut" / CHECKPOINTS).iterdir())[-1] == "step-00000004.ckpt"
    model = new_pretrain_model(BOTH, Nucleotides(), replace(config, seed=99))  # whose weights must not matter
    history = pretrain(model, genome(), config, tmp_path / "cut", resume=True, runtime=CPU)
    assert same_weights(model, expected)
    assert [row["step"] for row in history.validations] == [2, 4, 6]


def test_next_asks_for_the_base_that_follows():
    made = Genome([Record("a", "ACGTNACGTTACG", "a.fa", 1)], Nucleotides(), 0)
    batch = WindowLoader(made, replace(CONFIG, length=13, rows=1)).batch_at(0)
    assert batch.batch.ids.tolist() == [[0, 1, 2, 3, 4, 0, 1, 2, 3, 3, 0, 1, 2]]
    assert batch.targets.tolist() == [[1, 2, 3, IGNORED, 0, 1, 2, 3, 3, 0, 1, 2, IGNORED]]


def test_masked_asks_for_hidden_bases_alone():
    tokenizer = Nucleotides()
    config = replace(CONFIG, objective="masked", length=200, rows=50)
    batch = WindowLoader(genome(), config).batch_at(0)
    plain = WindowLoader(genome(), replace(config, objective="next")).batch_at(0)
    asked = batch.targets != IGNORED
    assert asked.float().mean().item() == pytest.approx(0.15, abs=0.02)
    assert torch.equal(batch.targets[asked], plain.batch.ids[asked])
    assert torch.equal(batch.batch.ids[~asked], plain.batch.ids[~asked])
    assert (batch.batch.ids[asked] == tokenizer.mask).float().mean().item() == pytest.approx(0.8, abs=0.05)


def test_windows_may_come_from_the_other_strand():
    sequence = "AAACCCAGTC"
    made = Genome([Record("a", sequence, "a.fa", 1)], Nucleotides(), 0)
    loader = WindowLoader(made, replace(CONFIG, length=10, rows=1, both_strands=True))
    found = {tuple(loader.batch_at(step).batch.ids[0].tolist()) for step in range(20)}
    assert found == {tuple(Nucleotides().encode(one).tolist()) for one in (sequence, reverse_complement(sequence))}


def test_windows_of_unknown_letters_are_passed_over():
    made = Genome([Record("a", "N" * 400 + "ACGTAC" * 20, "a.fa", 1)], Nucleotides(), 0)
    loader = WindowLoader(made, replace(CONFIG, length=20))
    shares = [(loader.batch_at(step).batch.ids == 4).float().mean(1) for step in range(5)]
    assert (torch.cat(shares) < 0.5).all()


def test_validation_is_the_end_and_not_trained_on():
    whole = np.concatenate([Nucleotides().encode(record.sequence) for record in records()])
    made = genome(0.1)
    assert np.concatenate([*made.train, *made.validation]).tolist() == whole.tolist()
    assert sum(map(len, made.validation)) == int(len(whole) * 0.1)
    first, again = (list(ValidationLoader(made, CONFIG)) for _ in range(2))
    assert all(torch.equal(a.targets, b.targets) for a, b in zip(first, again, strict=True))


def test_what_does_not_fit_is_refused(tmp_path):
    masked = replace(CONFIG, objective="masked")
    with pytest.raises(UserError, match="give the encoder directions 'both'"):
        new_pretrain_model(encoder(), Nucleotides(), masked)
    with pytest.raises(UserError, match="a stem sees bases on both sides"):
        new_pretrain_model(STEM, Nucleotides(), CONFIG)
    with pytest.raises(UserError, match="tokens that overlap give each other away"):
        new_pretrain_model(BOTH, KMers(3), masked)
    with pytest.raises(UserError, match="the other strand has other tokens"):
        new_pretrain_model(BOTH, KMers(3, 3), replace(CONFIG, both_strands=True))
    with pytest.raises(UserError, match="no sequence to pretrain on"):
        Genome([Record("a", "A", "a.fa", 1)], Nucleotides(), 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "previous"}, "unknown objective 'previous': expected one of next, masked"),
        ({"length": 1}, "length must be at least 2"),
        ({"mask_share": 0.0}, r"mask_share must be in \(0, 1\)"),
        ({"validation": 0.9}, r"validation must be in \[0, 0.5\]"),
        ({"every": 0}, "every must be at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        replace(CONFIG, **changes)

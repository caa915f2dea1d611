import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from genomics.batching import Batch
from genomics.models import Classifier, ClassifierConfig
from genomics.models.encoder import Encoder
from genomics.models.untrained import new_classifier
from genomics.sequences.values import LabelledSequences
from genomics.tokens import KMers, Nucleotides
from genomics.training.config import TrainConfig
from genomics.training.data import LabelledBatch, LabelledLoader
from genomics.training.defaults import completed
from genomics.training.fitting import fit
from genomics.training.module import ClassifierModule, mcc
from tests.genomics.small import encoder, labelled, splits
from tests.resuming import power_cut, same_weights
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware, OptimiserConfig, Runtime

CPU = Runtime(Hardware("cpu"))
CONFIG = TrainConfig(epochs=3, rows=16, optimiser=OptimiserConfig(lr=3e-3))
DATA = splits()
FEW = labelled(16, 0)
"""A batch, for tests to which it does not matter what is learnt."""


def new(config: TrainConfig = CONFIG, **changes) -> Classifier:
    base = {"encoder": encoder(), "kind": "classes", "outputs": 2}
    return new_classifier(ClassifierConfig(**(base | changes)), config.seed)


def numbers(data: LabelledSequences) -> LabelledSequences:
    """The share of G, in other units."""
    labels = np.array([50 + 10 * one.count("G") / len(one) for one in data.sequences])
    return replace(data, labels=labels, classes=(), kind="regression")


def several(data: LabelledSequences) -> LabelledSequences:
    labels = np.array([[one.count("G") > len(one) / 4, one.count("A") > len(one) / 4] for one in data.sequences])
    return replace(data, labels=labels.astype(np.float32), classes=("g", "a"), kind="multilabel")


def test_learns_and_keeps_the_best_weights():
    config = replace(CONFIG, epochs=8, optimiser=OptimiserConfig(lr=1e-2))
    data = several(labelled(96, 0))
    model = new(config, kind="multilabel")
    result = fit(model, data, several(labelled(24, 1)), config, runtime=CPU)
    assert result.rows[-1]["loss"] < result.rows[0]["loss"] - 0.1
    assert [row["epoch"] for row in result.rows] == list(range(1, 9))
    assert result.best["validation_loss"] == min(row["validation_loss"] for row in result.rows)
    assert not model.training


def test_a_new_model_leaves_random_numbers_alone():
    before = torch.get_rng_state()
    new()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_seed_fixes_the_weights_and_another_changes_them():
    models = []
    for seed in (0, 0, 1):
        config = replace(CONFIG, epochs=1, seed=seed)
        models.append(new(config))
        fit(models[-1], DATA.train, None, config, runtime=CPU)
    assert same_weights(models[0], models[1])
    assert not same_weights(models[0], models[2])


def test_a_stopped_run_ends_as_an_unbroken_one_bit_for_bit(tmp_path, capsys):
    config = replace(CONFIG, mutations=0.1)
    whole, cut, resumed = (new(strands="augment") for _ in range(3))
    expected = fit(whole, DATA.train, DATA.validation, config, folder=tmp_path / "whole", runtime=CPU)
    folder = tmp_path / "cut"
    with power_cut(ClassifierModule, lambda module, batch: module.current_epoch == 2 and batch == 1):
        fit(cut, DATA.train, DATA.validation, config, folder=folder, runtime=CPU)
    with torch.no_grad():
        for parameter in resumed.parameters():
            parameter.zero_()  # these weights must not matter
    options = {"folder": folder, "resume": True, "runtime": replace(CPU, progress="lines")}
    result = fit(resumed, DATA.train, DATA.validation, config, **options)
    assert result == expected
    assert same_weights(resumed, whole)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("epoch 3/3: train loss")


def test_a_run_that_had_stopped_early_does_not_go_on_when_resumed(tmp_path):
    config = replace(CONFIG, epochs=9, patience=1, monitor="mcc", optimiser=OptimiserConfig(lr=1e-9))
    folder = tmp_path
    stopped = fit(new(), DATA.train, DATA.validation, config, folder=folder, runtime=CPU)
    assert len(stopped.rows) == 2
    again = fit(new(), DATA.train, DATA.validation, config, folder=folder, resume=True, runtime=CPU)
    assert again == stopped


def test_patience_that_is_not_given_is_two_fifths_of_the_epochs(monkeypatch):
    scores = iter([(0.9, 0.1), (0.9, 0.2), (0.8, 0.1), (0.8, 0.2), (0.9, 0.0), (0.7, 0.0)])

    def logged(self):
        loss, mcc = next(scores)
        self._seen = []
        self.log_scores(validation_loss=loss, validation_mcc=mcc)

    monkeypatch.setattr(ClassifierModule, "on_validation_epoch_end", logged)
    config = replace(CONFIG, epochs=5)
    history = fit(new(), FEW, FEW, config, runtime=CPU)
    # A better MCC or a better loss is progress; of two epochs with the best MCC the smaller loss is kept.
    assert (len(history.rows), history.best_epoch) == (5, 4)
    scores = iter([(0.5, 0.1), (0.6, 0.1), (0.7, 0.0), (0.4, 0.2)])
    assert len(fit(new(), FEW, FEW, config, runtime=CPU).rows) == 3
    with pytest.raises(UserError, match="patience must be at least 1, got 0"):
        replace(config, patience=0)


def test_what_is_not_given_follows_from_the_size_of_the_set():
    def of(count, length, **given):
        data = LabelledSequences(("s",) * count, ("A" * length,) * count, np.zeros(count, int), ("a", "b"), "classes")
        found = completed(TrainConfig(**given), data, Nucleotides())
        return found.epochs, found.patience, found.mutations

    assert of(6_478, 101) == (13, 5, 0.05)
    assert of(100, 500) == (30, 12, 0.1)
    assert of(40_000, 251) == (10, 4, 0.05)
    assert of(6_478, 101, epochs=3, patience=7, mutations=0.0) == (3, 7, 0.0)
    assert completed(TrainConfig(), DATA.train, KMers(3)).mutations == 0.0


@pytest.mark.parametrize(
    ("count", "given", "rows"),
    [
        (770, {}, 32),
        (768, {}, 16),
        (380, {}, 8),
        (20, {}, 8),
        (20, {"rows": 4}, 4),
        (380, {"least_steps": 0}, 32),
        (380, {"rows": 24}, 12),
    ],
)
def test_steps_of_small_sets_have_fewer_sequences(count, given, rows):
    data = LabelledSequences(("s",) * count, ("ACGT",) * count, np.zeros(count, int), ("a", "b"), "classes")
    found = completed(TrainConfig(**given), data, Nucleotides())
    assert found.rows == rows
    assert completed(found, data, Nucleotides()) == found


def test_a_strand_is_drawn_in_training_alone_and_prediction_reads_both(monkeypatch):
    read: dict[bool, set[tuple[int, ...]]] = {True: set(), False: set()}
    original = Encoder.forward

    def noted(self, ids, lengths):
        read[self.training] |= {tuple(row[:n].tolist()) for row, n in zip(ids, lengths.tolist(), strict=True)}
        return original(self, ids, lengths)

    monkeypatch.setattr(Encoder, "forward", noted)
    model = new(strands="augment")
    fit(model, DATA.train, DATA.validation, replace(CONFIG, mutations=0.0), runtime=CPU)
    encode = model.config.tokenizer.encode
    assert DATA.validation is not None

    def strands(sequences):
        given = {tuple(encode(one).tolist()) for one in sequences}
        return given, {tuple(model.complement[list(one)].flip(0).tolist()) for one in given}

    assert read[False] == set.union(*strands(DATA.validation.sequences))
    given, flipped = strands(DATA.train.sequences)
    assert read[True] & given
    assert read[True] - given
    assert read[True] <= given | flipped


def test_without_validation_the_last_weights_are_kept():
    result = fit(new(), DATA.train, None, replace(CONFIG, epochs=2), runtime=CPU)
    assert result.best_epoch == 2
    assert not any(name.startswith("validation") for name in result.best)


def test_a_regression_learns_in_the_units_of_its_target():
    train, validation = numbers(labelled(96, 0)), numbers(labelled(32, 1))
    config = replace(CONFIG, epochs=8, optimiser=OptimiserConfig(lr=1e-2))
    model = new(config, kind="regression", outputs=1)
    result = fit(model, train, validation, config, runtime=CPU)
    assert "validation_mcc" not in result.best
    assert result.best["validation_loss"] < 0.8  # 1 is what the mean gives
    with pytest.raises(UserError, match="a regression has no MCC: monitor the loss"):
        fit(model, train, validation, replace(config, monitor="mcc"), runtime=CPU)


def test_class_weights_count_rare_classes_more():
    labels = np.array([0] * 44 + [1] * 4)
    rare = replace(DATA.train, labels=labels)
    config = replace(CONFIG, class_weights="balanced")
    seen = []
    original = ClassifierModule.training_step

    def noted(self, batch, batch_idx):
        seen.append(self.weights)
        return original(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassifierModule, "training_step", noted)
        fit(new(), rare, None, replace(config, epochs=1), runtime=CPU)
    torch.testing.assert_close(seen[0].cpu(), torch.tensor([48 / 88, 6.0]))
    with pytest.raises(UserError, match="no classes to weigh"):
        fit(new(kind="regression", outputs=1), numbers(DATA.train), None, config, runtime=CPU)


def test_what_memories_write_can_be_a_cost():
    models = []
    for cost in (0.0, 10.0):
        models.append(new())
        fit(models[-1], DATA.train, None, replace(CONFIG, epochs=1, write_cost=cost), runtime=CPU)
    assert not same_weights(*models)


def test_mutations_draw_bases_anew_and_leave_the_rest(monkeypatch):
    module = ClassifierModule(new(), replace(CONFIG, mutations=0.4))
    ids = torch.full((50, 40), 2)
    ids[:, 30:], ids[:, :5] = Nucleotides().pad, Nucleotides().unknown
    labels = torch.zeros(50, dtype=torch.int64)
    before = LabelledBatch(Batch(ids, torch.full((50,), 30)), labels, labels, 50)
    torch.manual_seed(0)
    after = module._mutated(before, 0.4).batch
    assert torch.equal(after.ids[:, 30:], ids[:, 30:])
    assert torch.equal(after.ids[:, :5], ids[:, :5])
    bases = after.ids[:, 5:30]
    assert set(bases.unique().tolist()) == {0, 1, 2, 3}
    assert (bases != 2).double().mean().item() == pytest.approx(0.4 * 3 / 4, abs=0.05)
    assert torch.equal(after.lengths, before.batch.lengths)

    asked = []
    original = ClassifierModule._mutated
    monkeypatch.setattr(ClassifierModule, "_mutated", lambda self, *given: asked.append(1) or original(self, *given))
    for share, expected in ((0.0, 0), (0.4, 6)):
        fit(new(), DATA.train, DATA.validation, replace(CONFIG, epochs=1, rows=8, mutations=share), runtime=CPU)
        assert len(asked) == expected  # batches of the training part alone


def test_mutations_of_words_are_refused():
    words = new(tokenizer=KMers(3))
    with pytest.raises(
        UserError, match=r"single nucleotides, and this model reads words of 3: leave them out \(--mutations 0\)"
    ):
        fit(words, DATA.train, None, replace(CONFIG, mutations=0.1), runtime=CPU)


def test_long_sequences_are_read_piece_by_piece(monkeypatch):
    """The same logits; and a model is trained so."""
    monkeypatch.setattr("genomics.training.module.PIECE", 16)
    with torch.no_grad():
        whole, config = new(), replace(CONFIG, epochs=1)
        whole.dropout.p = whole.encoder.dropout.p = 0.0
        batch = next(iter(_batches()))
        expected = ClassifierModule(whole, config).logits(batch)
        torch.testing.assert_close(expected, whole(batch.batch.ids, batch.batch.lengths), atol=1e-5, rtol=0)
    model = new()
    fit(model, FEW, FEW, replace(CONFIG, epochs=1), runtime=CPU)
    assert not same_weights(model, new())
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def _batches():
    return LabelledLoader(DATA.train, Nucleotides(), 8, 4096)


def test_data_that_nothing_can_be_learnt_from_is_refused():
    one = replace(DATA.train, labels=np.zeros(len(DATA.train), np.int64))
    with pytest.raises(UserError, match=r"all 48 training sequences have the same label \(background\)"):
        fit(new(), one, None, CONFIG, runtime=CPU)
    with pytest.raises(UserError, match="kind 'classes' with 2 outputs, the model of kind 'classes' with 3"):
        fit(new(outputs=3), DATA.train, None, CONFIG, runtime=CPU)


def test_mcc_of_several_labels_is_their_mean():
    logits, labels = np.array([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]), np.array([[1, 1], [0, 0], [1, 1]])
    assert mcc(logits, labels, "multilabel") == pytest.approx((1 - 0.5) / 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"tokens": 0}, "tokens must be at least 1"),
        ({"write_cost": -1.0}, "write_cost must be at least 0"),
        ({"write_cost": math.nan}, "write_cost must be at least 0, got nan"),
        ({"mutations": 1.0}, r"mutations must be in \[0, 1\), got 1.0"),
        ({"mutations": math.nan}, r"mutations must be in \[0, 1\), got nan"),
        ({"monitor": "accuracy"}, "unknown monitor 'accuracy': expected one of mcc, loss"),
        ({"class_weights": "some"}, "unknown class_weights 'some': expected one of none, balanced"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        replace(CONFIG, **changes)

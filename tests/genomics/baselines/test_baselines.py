from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from genomics.baselines import (
    KmerRegression,
    LengthOnly,
    Majority,
    PositionRegression,
    SmallCNN,
    TunedResNet,
    standard_baselines,
)
from genomics.baselines.values import loss, preference
from genomics.evaluation import BootstrapOptions, evaluate
from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.values import Kind, LabelledSequences
from titans_seq.errors import UserError

NO_INTERVALS = BootstrapOptions(repeats=0)
QUICK_CNN = SmallCNN(epochs=2)
FAST = [
    Majority(),
    LengthOnly(),
    KmerRegression(sizes=(1, 2, 3), strengths=(0.1, 1.0)),
    PositionRegression(),
    QUICK_CNN,
    TunedResNet(widths=(8,), depths=(1, 2), trial_epochs=1, epochs=6, lr=1e-2, mutations=0.02),
]


def planted(count: int, seed: int, kind: Kind = "classes", lengths: tuple[int, int] = (30, 30)) -> LabelledSequences:
    """Sequences of three classes: nothing, TATAAA at 5, GCGCGC at 5; labels and values say the same."""
    random = np.random.default_rng(seed)
    ids = np.arange(count) % 3
    sequences = []
    for number in ids:
        text = "".join(random.choice(list("ACGT"), random.integers(lengths[0], lengths[1] + 1)))
        motif = ("", "TATAAA", "GCGCGC")[number]
        sequences.append(text[:5] + motif + text[5 + len(motif) :])
    labels, classes = ids.astype(np.int64), ("a", "b", "c")
    if kind == "multilabel":
        labels, classes = np.eye(3, dtype=np.float32)[ids][:, 1:], ("b", "c")
    if kind == "regression":
        labels, classes = 100.0 + 10 * ids, ()
    return LabelledSequences(tuple(map(str, range(count))), tuple(sequences), labels, classes, kind)


@pytest.fixture
def tata(shared_data: Path) -> dict[str, LabelledSequences]:
    folder = shared_data / "dna" / "gue" / "prom_core_tata"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}, which this machine does not have")
    parts = {}
    for name in ("train", "dev", "test"):
        frame = pd.read_csv(folder / f"{name}.csv.gz")
        names, labels = tuple(map(str, frame.index)), frame["label"].to_numpy(np.int64)
        parts[name] = LabelledSequences(names, tuple(frame["sequence"]), labels, ("0", "1"), "classes")
    return parts


@pytest.mark.parametrize("baseline", FAST, ids=lambda baseline: baseline.name)
@pytest.mark.parametrize(
    ("kind", "lengths"),
    [
        ("classes", (30, 30)),
        ("classes", (12, 40)),
        ("multilabel", (12, 40)),
        ("regression", (30, 30)),
        pytest.param("multilabel", (30, 30), marks=pytest.mark.slow),
        pytest.param("regression", (12, 40), marks=pytest.mark.slow),
    ],
)
def test_every_baseline_does_every_kind(baseline, kind: Kind, lengths: tuple[int, int]) -> None:
    train, held = planted(90, 0, kind, lengths), planted(30, 1, kind, lengths)
    model = baseline.fit(train, held, seed=0)
    assert (model.classes, model.kind) == (train.classes, kind)
    sequences = [*held.sequences, "ACGTN", "A"]
    outputs, logits = model.predict_proba(sequences), model.logits(sequences)
    assert outputs.dtype == np.float64
    assert outputs.shape == logits.shape == (32, max(1, len(train.classes)))
    assert np.isfinite(logits).all()
    if kind == "classes":
        np.testing.assert_allclose(outputs.sum(1), 1, rtol=1e-9)
        np.testing.assert_allclose(torch.from_numpy(logits).softmax(1), outputs, atol=1e-9)
    if kind == "multilabel":
        np.testing.assert_allclose(torch.from_numpy(logits).sigmoid(), outputs, atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(sequences[::-1])[::-1], outputs, rtol=0, atol=1e-6)
    evaluate(model, held, NO_INTERVALS)


def test_each_baseline_finds_what_it_is_made_for() -> None:
    train, held, test = (planted(count, seed) for count, seed in ((300, 0), (90, 1), (90, 2)))
    scores = {
        baseline.name: evaluate(baseline.fit(train, held, 0), test, NO_INTERVALS).scores["mcc"]
        for baseline in (KmerRegression(sizes=(1, 2, 3, 4)), PositionRegression(), SmallCNN(epochs=5), LengthOnly())
    }
    assert min(scores["k-mer regression"], scores["one-hot regression"], scores["small CNN"]) > 0.8
    assert scores["length only"] == 0.0


def test_length_alone_is_seen_by_the_length_model() -> None:
    sequences = tuple("A" * (20 + number % 2 * 10) for number in range(60))
    labels = np.arange(60) % 2
    data = LabelledSequences(tuple(map(str, range(60))), sequences, labels, ("no", "yes"), "classes")
    assert evaluate(LengthOnly().fit(data, data), data, NO_INTERVALS).scores["mcc"] == 1.0
    # Composition is that of one base, so the k-mers know nothing.
    assert evaluate(KmerRegression(sizes=(1, 2)).fit(data, data), data, NO_INTERVALS).scores["auroc"] > 0.4


@pytest.fixture(scope="module")
def variable_cnn():
    return QUICK_CNN.fit(planted(60, 0, lengths=(9, 40)), planted(30, 1, lengths=(9, 40)), seed=3)


def test_padding_and_company_change_no_prediction_of_the_network(variable_cnn) -> None:
    sequences = ["ACGTACGTA", "T" * 37, "ACGTN" * 5, "GC", "A" * 300]
    together = variable_cnn.logits(sequences)
    alone = np.concatenate([variable_cnn.logits([sequence]) for sequence in sequences])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_the_network_is_the_same_for_the_same_seed_and_leaves_the_random_state_alone() -> None:
    train, held = planted(60, 0), planted(30, 1)
    state = torch.get_rng_state()
    models = [SmallCNN(epochs=1).fit(train, held, seed) for seed in (1, 1, 2)]
    assert torch.equal(state, torch.get_rng_state())
    first, again, other = (model.logits(["ACGT" * 5]) for model in models)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_both_strands_are_averaged_within_their_own_lengths() -> None:
    train = planted(60, 0, lengths=(9, 40))
    model = SmallCNN(epochs=1, both_strands=True).fit(train, train, 0)
    sequences = list(train.sequences[:8])
    others = [reverse_complement(sequence) for sequence in sequences]
    np.testing.assert_allclose(model.logits(sequences), model.logits(others), rtol=0, atol=1e-5)


def test_the_kept_epoch_is_the_one_that_validation_prefers() -> None:
    held = planted(30, 1)
    short, long = (SmallCNN(epochs=1).fit(planted(60, 0), held, 0), SmallCNN(epochs=3).fit(planted(60, 0), held, 0))
    scores = [preference(model.predict_proba(list(held.sequences)), held) for model in (short, long)]
    assert scores[1] >= scores[0]


def test_a_class_without_sequences_in_the_training_part_is_no_trouble() -> None:
    data = planted(30, 0)
    lacking = data.take(np.flatnonzero(data.labels != 1))
    lone = data.take(np.flatnonzero(data.labels == 2))
    for baseline in FAST:
        for train in (lacking, lone):
            outputs = baseline.fit(train, data, 0).predict_proba(list(data.sequences))
            assert outputs.shape == (30, 3)
            assert np.isfinite(outputs).all()
    model = KmerRegression(sizes=(1,)).fit(lone, data)
    assert model.predict_proba(["ACGT"])[0, 2] > 0.99


def test_one_sequence_of_one_base_trains() -> None:
    data = LabelledSequences(("a",), ("A",), np.array([0]), ("x", "y"), "classes")
    assert np.isfinite(SmallCNN(epochs=1).fit(data, data, 0).logits(["A", "ACGT"])).all()


def test_parts_that_do_not_fit_are_refused() -> None:
    data, other = planted(9, 0), planted(9, 0, "regression")
    for baseline in standard_baselines():
        with pytest.raises(UserError, match="the training part has no sequence: give at least one"):
            baseline.fit(data.take([]), data)
        with pytest.raises(UserError, match="are not labelled alike: read them with the same options"):
            baseline.fit(data, other)


def test_the_loss_is_the_cross_entropy() -> None:
    data = planted(3, 0)
    assert loss(np.full((3, 3), 1 / 3), data) == pytest.approx(np.log(3))
    assert loss(np.full((3, 2), 0.5), planted(3, 0, "multilabel")) == pytest.approx(2 * np.log(2))
    assert loss(np.full((3, 1), 110.0), planted(3, 0, "regression")) == pytest.approx(200 / 3)


def test_positions_of_core_promoters_score_as_measured(tata: dict[str, LabelledSequences]) -> None:
    model = PositionRegression().fit(tata["train"], tata["dev"])
    evaluation = evaluate(model, tata["test"], NO_INTERVALS)
    assert evaluation.scores["mcc"] == pytest.approx(0.731, abs=0.01)
    assert evaluation.scores["auroc"] == pytest.approx(0.943, abs=0.005)


@pytest.mark.slow
def test_the_network_on_core_promoters_is_near_what_was_measured(tata: dict[str, LabelledSequences]) -> None:
    model = SmallCNN().fit(tata["train"], tata["dev"])
    assert evaluate(model, tata["test"], NO_INTERVALS).scores["mcc"] > 0.75

import itertools

import numpy as np
import pytest
import torch

from genomics.models import OneHotClassifier
from genomics.runs import predictor as predictor_module
from genomics.runs.members import Members
from genomics.runs.predictor import Predictor, probabilities
from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.values import Record
from genomics.tokens import KMers, Nucleotides
from tests.genomics.small import classifier, random_sequence
from titans_seq.errors import UserError

CLASSES = ("a", "b", "c")
RANDOM = np.random.default_rng(5)
SEQUENCES = [random_sequence(int(length), RANDOM) for length in RANDOM.integers(1, 90, 25)]


LONG = random_sequence(41, RANDOM)


def made(encoder=None, **changes) -> Predictor:
    return Predictor(classifier(encoder, **changes), CLASSES, device="cpu")


def test_order_and_number_of_sequences_change_no_prediction(monkeypatch):
    model = made({"directions": "both"}, pooling="attention", strands="average")
    expected = model.logits(SEQUENCES)
    assert expected.shape == (25, 3)
    assert expected.dtype == np.float64
    alone = np.concatenate([model.logits([sequence]) for sequence in SEQUENCES])
    np.testing.assert_allclose(alone, expected, atol=1e-5)
    order = np.random.default_rng(0).permutation(25)
    np.testing.assert_allclose(model.logits([SEQUENCES[i] for i in order]), expected[order], atol=1e-5)
    monkeypatch.setattr(predictor_module, "_ROWS", 3)
    np.testing.assert_allclose(model.logits(SEQUENCES), expected, atol=1e-5)
    monkeypatch.setattr(predictor_module, "PIECE", 16)  # nearly all are read as streams
    np.testing.assert_allclose(model.logits(SEQUENCES), expected, atol=1e-5)
    np.testing.assert_allclose(model.embed(SEQUENCES[:4]), made_embed(model, SEQUENCES[:4]), atol=1e-5)


def made_embed(model: Predictor, sequences: list[str]) -> np.ndarray:
    """The mean over bases and strands, the long way."""
    strands = []
    for read in (str, reverse_complement):
        strands.append([np.concatenate(list(model.embed_steps(read(one)))).mean(0) for one in sequences])
    return np.mean(strands, axis=0)


def test_both_strands_have_one_prediction_where_that_was_asked_for():
    others = [reverse_complement(sequence) for sequence in SEQUENCES]
    for strands in ("average", "equivariant"):
        for tokenizer in (None, KMers(3)):
            model = made(strands=strands, **({} if tokenizer is None else {"tokenizer": tokenizer}))
            np.testing.assert_allclose(model.logits(others), model.logits(SEQUENCES), atol=1e-5)
    model = made()
    assert np.abs(model.logits(others) - model.logits(SEQUENCES)).max() > 1e-3


def test_a_stream_of_records_is_predicted_as_it_comes():
    model = made()
    records = (Record(f"r{n}", SEQUENCES[n % 25], "x.fa", n + 1) for n in itertools.count())
    first = list(itertools.islice(model.predictions(records), 30))
    assert [one.name for one in first] == [f"r{n}" for n in range(30)]
    np.testing.assert_allclose(first[3].probabilities, model.predict_proba([SEQUENCES[3]])[0], atol=1e-5)
    assert first[0].logits.shape == (3,)


def test_strings_are_cleaned_as_files_are():
    model = made()
    np.testing.assert_array_equal(model.logits(["acgu\nnr"]), model.logits(["ACGTNR"]))
    with pytest.raises(UserError, match="sequence 2: 'Q' at position 4 is no letter of DNA"):
        model.logits(["ACG", "ACGQ"])
    with pytest.raises(UserError, match="sequence 1: no sequence"):
        model.predict_proba([""])
    with pytest.raises(UserError, match=r"x.fa, record 7 \(r\): .*no bases"):
        list(model.predictions([Record("r", "", "x.fa", 7)]))


@pytest.mark.parametrize("does", ["logits", "predict_proba", "embed", "predictions"])
def test_a_mapping_is_of_sequences_by_their_names(does):
    for model in (made(), *([Members([made(), made()])] if does != "embed" else [])):
        call = getattr(model, does)
        if does == "predictions":
            assert [one.name for one in call({"a": "ACGT", 7: "ttg"})] == ["a", "7"]
        else:
            np.testing.assert_allclose(call({"a": "ACGT", "c": "ttg"}), call(["ACGT", "TTG"]), atol=1e-6)
        with pytest.raises(UserError, match="a: expected text or a record, got NoneType: leave it out"):
            list(call({"a": None}))
        with pytest.raises(UserError, match="'ACGT' is one text: give a list of sequences"):
            list(call("ACGT"))


def test_no_sequence_gives_no_row():
    assert made().logits([]).shape == (0, 3)
    assert made().predict_proba([]).shape == (0, 3)
    assert made().embed([]).shape == (0, 16)


def test_probabilities_of_every_kind():
    logits = np.array([[0.0, np.log(3), -2000.0]])
    np.testing.assert_allclose(probabilities(logits, "classes"), [[0.25, 0.75, 0.0]])
    np.testing.assert_allclose(probabilities(logits, "multilabel"), [[0.5, 0.75, 0.0]], atol=1e-300)
    np.testing.assert_array_equal(probabilities(logits, "regression"), logits)
    proba = made().predict_proba(SEQUENCES)
    np.testing.assert_allclose(proba.sum(1), 1)


@pytest.mark.parametrize("strands", ["given", "equivariant"])
@pytest.mark.parametrize("tokenizer", [Nucleotides(), KMers(2)], ids=str)
def test_substitutions_are_estimated_by_the_gradient_of_the_log_odds(strands, tokenizer):
    model = made({"directions": "both"}, strands=strands, tokenizer=tokenizer)
    sequences = [LONG, LONG[:40]]
    found = list(model.substitutions(sequences, 1))
    assert [changes.shape for changes in found] == [(len(sequence), 4) for sequence in sequences]
    # A step towards a substitution, between one-hot sequences.
    network, at, step = model.model, 7, 1e-2
    before, after = (bases(one) for one in (LONG, LONG[:at] + "G" + LONG[at + 1 :]))
    with torch.no_grad():
        ends = [OneHotClassifier(network)(before + share * (after - before))[0] for share in (step, -step)]
    odds = [end[1] - end[[0, 2]].logsumexp(0) for end in ends]
    assert found[0][at, 2] == pytest.approx(float(odds[0] - odds[1]) / (2 * step), rel=0.05, abs=1e-3)
    assert found[0][at, "ACGT".index(LONG[at])] == 0


def bases(sequence: str) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.from_numpy(Nucleotides().encode(sequence)), 5)[None, :, :4].float().mT


def test_one_hot_bases_have_the_logits_of_their_sequence():
    for tokenizer in (Nucleotides(), KMers(3), KMers(2, 2)):
        model = made(tokenizer=tokenizer)
        sequence = LONG[:30] + "NN" + LONG[30:]
        logits = OneHotClassifier(model.model)(bases(sequence))
        np.testing.assert_allclose(logits.detach().numpy(), model.logits([sequence]), rtol=1e-4, atol=1e-5)
    with pytest.raises(UserError, match=r"expected one-hot bases of shape \[B, 4, T\] and a floating type, got"):
        OneHotClassifier(made().model)(torch.zeros(1, 9, 4))


def test_an_answer_that_is_not_finite_is_refused():
    model = made()
    with torch.no_grad():
        model.model.head.weight.fill_(torch.nan)  # pyright: ignore[reportCallIssue]
    with pytest.raises(UserError, match="sequence 1: the model's answer is not finite"):
        model.logits(["ACGT"])


def test_features_of_every_base():
    model = made()
    (piece,) = model.embed_steps(LONG)
    assert piece.shape == (len(LONG), 16)

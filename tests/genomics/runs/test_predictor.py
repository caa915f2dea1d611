import itertools

import numpy as np
import pytest
import torch

from genomics.runs import predictor as predictor_module
from genomics.runs.predictor import Predictor, probabilities
from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.values import Record
from genomics.tokens import KMers
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
    np.testing.assert_array_equal(model.logits(["acgu nr"]), model.logits(["ACGTNR"]))
    with pytest.raises(UserError, match="sequence 2: 'Q' at position 4 is no letter of DNA"):
        model.logits(["ACG", "ACGQ"])
    with pytest.raises(UserError, match="sequence 1: no sequence"):
        model.predict_proba([""])
    with pytest.raises(UserError, match=r"x.fa, record 7 \(r\): .*no bases"):
        list(model.predictions([Record("r", "", "x.fa", 7)]))


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
def test_saliency_is_the_gradient_times_the_embedding(strands):
    model, sequence = made({"directions": "both"}, strands=strands), LONG
    found = model.saliency(sequence, "b")
    assert found.shape == (len(sequence),)
    network, base = model.model, torch.from_numpy(network_ids(model, sequence))[None]
    lengths, step, at = torch.tensor([len(sequence)]), 1e-2, 7
    with torch.no_grad():
        up, down = (torch.ones(base.shape) for _ in range(2))
        up[0, at] += step
        down[0, at] -= step
        slope = (network(base, lengths, up) - network(base, lengths, down))[0, 1] / (2 * step)
    assert found[at] == pytest.approx(slope.item(), rel=0.02, abs=1e-4)


def network_ids(model: Predictor, sequence: str) -> np.ndarray:
    return model.model.config.tokenizer.encode(sequence)


def test_saliency_of_longer_tokens_is_shared_out_among_bases():
    model = made(tokenizer=KMers(3))
    found = model.saliency(LONG)
    assert found.shape == (len(LONG),)
    likeliest = int(model.logits([LONG]).argmax())
    np.testing.assert_array_equal(found, model.saliency(LONG, likeliest))


def test_unknown_targets_are_refused():
    with pytest.raises(UserError, match="no class 'd': expected one of a, b, c"):
        made().saliency("ACGT", "d")
    with pytest.raises(UserError, match="no output 3: expected 0 to 2"):
        made().saliency("ACGT", 3)


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

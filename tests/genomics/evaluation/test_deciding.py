import numpy as np
import pytest

from genomics.evaluation.deciding import FAR, fit_temperature


def test_few_sequences_that_are_told_apart_ask_for_no_certainty() -> None:
    labels = np.arange(20) % 2
    logits = np.stack([-4.0 * labels, 4.0 * labels - 4.0], 1)
    assert 0.5 < fit_temperature(logits, labels, "classes") < 1
    assert fit_temperature(np.tile(logits / 40, (500, 1)), np.tile(labels, 500), "classes") < 1 / FAR


def test_a_temperature_is_that_by_which_logits_are_too_large() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 1)) * [0.0, 2.0]
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-logits[:, 1]))).astype(int)
    assert fit_temperature(3 * logits, labels, "classes") == pytest.approx(3, rel=0.1)

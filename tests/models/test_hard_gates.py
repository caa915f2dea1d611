import pytest
import torch
import torch.nn.functional as F

from titans_seq.blocks import MACConfig
from titans_seq.models import CausalLM, language_model
from titans_seq.models.presets import with_hard_gates


def test_hard_gates_start_as_far_open_as_the_presets() -> None:
    (soft,), (hard,) = language_model("tiny-mac").blocks, with_hard_gates(language_model("tiny-mac")).blocks
    assert isinstance(soft, MACConfig)
    assert isinstance(hard, MACConfig)
    before, after = soft.memory.gates, hard.memory.gates
    for name in ("lr_bias", "decay_bias"):
        expected = torch.sigmoid(torch.tensor(getattr(before, name)))
        torch.testing.assert_close(F.hardsigmoid(torch.tensor(getattr(after, name))), expected, atol=1e-6, rtol=0)
    assert (after.form, after.source, after.momentum_bias) == ("hard", "convolved", before.momentum_bias)


def test_gates_that_are_hard_stay_as_far_open() -> None:
    # Recall's gates are hard from the beginning.
    recalling = language_model("tiny-mag-recall")
    assert with_hard_gates(recalling) == recalling
    hard = with_hard_gates(language_model("tiny-mac"))
    assert with_hard_gates(hard) == hard


def test_a_model_with_hard_gates_reads() -> None:
    model = CausalLM(with_hard_gates(language_model("tiny-mal", vocabulary=11)))
    assert model(torch.tensor([[1, 2, 3]]))[0].isfinite().all()


def test_a_model_without_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="no memory whose gates could be hard"):
        with_hard_gates(language_model("tiny-window"))

"""`with_recall`: what it changes, and that such a model looks up what it has read."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from titans_seq.models import CausalLM, CausalLMConfig, language_model
from titans_seq.models.presets import with_paper_gates, with_recall

TOKENS, STEPS = 16, 45


def test_a_third_word_of_a_preset() -> None:
    assert language_model("tiny-mal-recall", 300) == with_recall(language_model("tiny-mal", 300))
    assert language_model("recall-lmm-tiny") == with_recall(language_model("tiny-lmm"))
    with pytest.raises(ValueError, match="no memory that could recall"):
        language_model("tiny-window-recall")
    with pytest.raises(ValueError, match="unknown language model 'recall'.*or VARIANT-SIZE-recall"):
        language_model("recall")


def test_what_has_it_already_stays_as_it_is() -> None:
    for change in (with_recall, with_paper_gates):
        once = change(language_model("tiny-mag", 300))
        assert change(once) == once
        with pytest.raises(ValueError, match="no memory"):
            change(language_model("tiny-window"))


def loss_of_the_second_reading(config: CausalLMConfig) -> float:
    """Train on tokens in a random order, read twice; the last steps' loss where each token was seen before."""
    torch.manual_seed(0)
    model, losses = CausalLM(config), []
    optimiser = torch.optim.AdamW(model.parameters(), lr=6e-3)
    for _ in range(STEPS):
        once = torch.stack([torch.randperm(TOKENS) for _ in range(4)])
        ids = torch.cat([once, once], 1)
        logits, _ = model(ids[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(F.cross_entropy(logits[:, TOKENS:].flatten(0, 1).detach(), ids[:, TOKENS + 1 :].flatten()).item())
    return sum(losses[-5:]) / 5


def test_what_was_read_once_is_known_when_it_comes_again() -> None:
    plain = replace(language_model("tiny-lmm", TOKENS), dim=64, depth=1)
    assert loss_of_the_second_reading(with_recall(plain)) < 1.0
    assert loss_of_the_second_reading(plain) > 2.5

from dataclasses import replace

import pytest

from genomics.models import PRESETS, Classifier, ClassifierConfig, IdentityBlockConfig, encoder_preset
from titans_seq.errors import UserError


def parameters(name: str) -> int:
    model = Classifier(ClassifierConfig(encoder_preset(name), "classes", 2))
    return sum(parameter.numel() for parameter in model.parameters())


def test_sizes_are_near_the_published_ones():
    assert parameters("small") == pytest.approx(436_000, rel=0.05)
    assert parameters("medium") == pytest.approx(470_000, rel=0.05)
    assert parameters("tiny") < 10_000
    assert parameters("large") > 5_000_000


@pytest.mark.parametrize("name", PRESETS)
def test_the_control_is_the_same_encoder_without_mixing(name):
    memory, identity = encoder_preset(name), encoder_preset(name, "identity")
    assert replace(identity, blocks=memory.blocks) == memory
    assert isinstance(identity.blocks[0], IdentityBlockConfig)


def test_unknown_names_are_refused():
    with pytest.raises(UserError, match="unknown preset 'huge': expected one of tiny, small, medium, large"):
        encoder_preset("huge")
    with pytest.raises(UserError, match="unknown mixer 'hyena'"):
        encoder_preset("small", "hyena")  # pyright: ignore[reportArgumentType]

import pytest
import torch
import torch.nn.functional as F

from genomics.models import StemConfig
from genomics.models.stem import Stem
from titans_seq.errors import UserError

SIZES = [StemConfig((9, 7), 2, 8), StemConfig((5,), 4, 3), StemConfig((1, 3, 5), 3, 2), StemConfig((7,), 1, 4)]


def stem(config: StemConfig) -> Stem:
    torch.manual_seed(0)
    model = Stem(config, 6).double().eval()
    for _, norm in layers(model):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        torch.nn.init.normal_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    return model


def layers(model: Stem) -> list[tuple[torch.nn.Conv1d, torch.nn.BatchNorm1d]]:
    pairs = []
    for convolution, norm in zip(model.convolutions, model.norms, strict=True):
        assert isinstance(convolution, torch.nn.Conv1d)
        assert isinstance(norm, torch.nn.BatchNorm1d)
        pairs.append((convolution, norm))
    return pairs


@pytest.mark.parametrize("config", SIZES, ids=str)
def test_a_step_is_what_its_definition_says(config):
    """Convolution, normalisation, GELU and maximum, place by place, on a sequence that ends inside a window."""
    model, x = stem(config), torch.randn(1, 23, config.embedding, dtype=torch.float64)
    rows = x[0]
    for convolution, norm in layers(model):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        half = convolution.kernel_size[0] // 2
        around = F.pad(rows, (0, 0, half, half))
        places = [around[i : i + 2 * half + 1] for i in range(len(rows))]
        mixed = torch.stack([torch.einsum("kc,dck->d", place, convolution.weight) for place in places])
        active = F.gelu((mixed - norm.running_mean) / (norm.running_var + norm.eps).sqrt())
        rows = torch.stack([active[i : i + config.pool].amax(0) for i in range(0, len(active), config.pool)])
    assert len(rows) == -(-23 // config.window)
    torch.testing.assert_close(model(x, torch.tensor([23]))[0], rows)


@pytest.mark.parametrize("config", SIZES, ids=str)
def test_padding_is_not_seen_whatever_stands_there(config):
    model, x = stem(config), torch.randn(3, 30, config.embedding, dtype=torch.float64)
    lengths = torch.tensor([30, 11, 1])
    together = model(x, lengths)
    for row, length, steps in zip(x, lengths.tolist(), together, strict=True):
        alone = model(row[None, :length], torch.tensor([length]))[0]
        torch.testing.assert_close(steps[: len(alone)], alone)
        assert not steps[len(alone) :].any()
        filled = F.pad(row[None, :length], (0, 0, 0, 9), value=torch.nan)
        torch.testing.assert_close(model(filled, torch.tensor([length]))[0, : len(alone)], alone)


@pytest.mark.parametrize("config", SIZES, ids=str)
def test_nothing_beyond_the_halo_is_seen(config):
    model, window, halo = stem(config), config.window, config.halo
    x = torch.randn(1, 2 * halo + 3 * window, config.embedding, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([x.shape[1]])
    (gradient,) = torch.autograd.grad(model(x, lengths)[0, 1 + halo // window].sum(), x)
    seen = gradient[0].abs().sum(-1).nonzero().flatten()
    assert seen.min() >= window
    assert seen.max() < 2 * halo + 2 * window


def test_gradients_at_padding_are_zero_and_finite():
    model, x = stem(SIZES[0]), torch.randn(2, 12, 8, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x, torch.tensor([12, 5])).square().sum(), x)
    assert gradient.isfinite().all()
    assert gradient[1, :5].any()
    assert not gradient[1, 5:].any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": ()}, "convolutions of odd widths, got"),
        ({"widths": (9, 4)}, "convolutions of odd widths"),
        ({"pool": 0}, "pool of a stem must be at least 1, got 0"),
        ({"embedding": 0}, "embedding of a stem must be at least 1"),
    ],
)
def test_wrong_stems_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        StemConfig(**changes)

"""A dilated residual network whose width and depth validation chooses: a strong bar (DASHA, arXiv 2411.02796)."""

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from ..models.masked_norm import MaskedNorm
from ..sequences.values import LabelledSequences
from .cnn import CNNModel, fit_network
from .network import PooledNetwork
from .values import check_parts

_STEM = 15
_KERNEL = 5


class ResidualNetwork(PooledNetwork):
    """Read by a wide convolution, then blocks of two convolutions beside a shortcut, each block twice as dilated.

    Args:
        outputs: C.
        width: channels.
        depth: number of blocks, at least 1.
        dropout: share of pooled features dropped in training.

    Example:
        >>> import torch
        >>> ResidualNetwork(2, width=8, depth=2)(torch.randint(4, (3, 20)), torch.tensor([20, 9, 1])).shape
        torch.Size([3, 2])
    """

    def __init__(self, outputs: int, width: int = 64, depth: int = 4, dropout: float = 0.3) -> None:
        super().__init__(outputs, width, dropout)
        self.stem = nn.Conv1d(4, width, _STEM, padding=_STEM // 2, bias=False)
        self.norm = MaskedNorm(width)
        self.blocks = nn.ModuleList(_Block(width, 2**number) for number in range(depth))

    def features(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return features of pairs of positions; see `PooledNetwork.features`."""
        x = functional.relu(self.norm(self.stem(x), mask)) * mask[:, None]
        x, mask = functional.max_pool1d(x, 2, ceil_mode=True), mask[:, ::2]
        for block in self.blocks:
            x = block(x, mask)
        return functional.relu(x) * mask[:, None], mask


class _Block(nn.Module):
    """Two convolutions, the first dilated, normalised before each, beside a shortcut."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        reach = _KERNEL // 2 * dilation
        self.first = nn.Conv1d(width, width, _KERNEL, padding=reach, dilation=dilation, bias=False)
        self.second = nn.Conv1d(width, width, _KERNEL, padding=_KERNEL // 2, bias=False)
        self.norms = nn.ModuleList(MaskedNorm(width) for _ in range(2))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.first(functional.relu(self.norms[0](x, mask)) * mask[:, None])
        y = self.second(functional.relu(self.norms[1](y, mask)) * mask[:, None])
        return (x + y) * mask[:, None]


@dataclass(frozen=True)
class TunedResNet:
    """Train a residual network in full, of the size that validation prefers after a short training of each.

    Attributes:
        name: as tables print it.
        widths: channels to choose from.
        depths: blocks to choose from.
        trial_epochs: of the short trainings, at least 1.
        both_strands: see `SmallCNN`, like all that follow.
        mutations: share of the bases that training draws anew.
        epochs: of the full training.
        batch: sequences a step.
        lr: largest learning rate.
        weight_decay: of AdamW.
        device: of PyTorch.

    Example:
        >>> from dataclasses import replace
        >>> ours = TunedResNet(both_strands=True, mutations=0.1)
        >>> replace(ours, widths=(32,), depths=(2,)).trial_epochs
        3
    """

    name: str = "tuned ResNet"
    widths: tuple[int, ...] = (64, 128)
    depths: tuple[int, ...] = (2, 4, 6)
    trial_epochs: int = 3
    both_strands: bool = False
    mutations: float = 0.0
    epochs: int = 10
    batch: int = 32
    lr: float = 2e-3
    weight_decay: float = 1e-2
    device: str = "cpu"

    def fit(self, train: LabelledSequences, validation: LabelledSequences, seed: int = 0) -> CNNModel:
        """Choose the size and train; the same seed on the same machine gives the same model.

        Raises:
            UserError: if a part is empty, or they are labelled differently.
        """
        check_parts(train, validation)
        sizes = [(width, depth) for width in self.widths for depth in self.depths]
        if len(sizes) > 1:
            scored = [(self._trained(*size, train, validation, self.trial_epochs, seed)[1], size) for size in sizes]
            sizes = [max(scored)[1]]
        return self._trained(*sizes[0], train, validation, self.epochs, seed)[0]

    def _trained(
        self, width: int, depth: int, train: LabelledSequences, validation: LabelledSequences, epochs: int, seed: int
    ) -> tuple[CNNModel, tuple[float, float]]:
        build = partial(ResidualNetwork, width=width, depth=depth)
        return fit_network(build, train, validation, self, epochs, seed)

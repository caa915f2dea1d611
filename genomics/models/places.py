"""Places: each output's own weight for every token at each of the first places of a sequence."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PlaceWeights(nn.Module):
    """Add up the weights of what stands at each of the first places: a position weight matrix for each output.

    Pooling keeps what is in a sequence and loses where it stands. These weights keep that, as one-hot regression does.
    They begin at zero.

    Args:
        places: of a sequence, counted from its first token, that have weights, at least 1.
        vocabulary: number of token ids.
        outputs: of the model.

    Example:
        >>> weights = PlaceWeights(places=2, vocabulary=4, outputs=1)
        >>> _ = weights.weight.data.copy_(torch.arange(8.0).view(2, 4, 1))
        >>> weights(torch.tensor([[3, 1, 2]]), torch.tensor([3])).tolist()  # 3 at the first place, 4 + 1 at the second
        [[8.0]]
    """

    def __init__(self, places: int, vocabulary: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(places, vocabulary, outputs))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Add up.

        Args:
            ids: of any integer type `[B, T]`, padded on the right, or shares of the tokens `[B, T, vocabulary]`.
            lengths: int64 `[B]`, in [1, T].

        Returns:
            `[B, outputs]`.
        """
        ids = ids[:, : len(self.weight)]
        weight, number = self.weight[: ids.shape[1]], torch.arange(ids.shape[1], device=ids.device)
        valid = (number < lengths[:, None]).to(weight.dtype)
        if ids.is_floating_point():
            return torch.einsum("btv,bt,tvo->bo", ids, valid, weight)
        vocabulary = weight.shape[1]
        rows = F.embedding(ids.long() + vocabulary * number, weight.flatten(0, 1))
        return (rows * valid[..., None]).sum(1)

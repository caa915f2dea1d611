"""A classifier that reads one-hot bases, as captum, tangermeme and other tools of the field expect of a model."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from titans_seq.errors import UserError

from ..tokens import MOST_BASES, Tokenizer
from .classifier import Classifier


class OneHotClassifier(nn.Module):
    """Give the logits of one-hot bases, differentiable with respect to them.

    Args:
        model: the classifier, in evaluation mode, which it keeps.

    Example:
        >>> from .classifier import ClassifierConfig
        >>> from .presets import encoder_preset
        >>> model = OneHotClassifier(Classifier(ClassifierConfig(encoder_preset("tiny"), "classes", outputs=2)).eval())
        >>> model(torch.eye(4)[None]).shape, model.training
        (torch.Size([1, 2]), False)
    """

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model
        self.train(model.training)  # tools that restore a module's mode would else begin to train the model

    def forward(self, x: Tensor) -> Tensor:
        """Predict sequences of one length.

        Args:
            x: one-hot bases in the order A, C, G, T, floating `[B, 4, T]`; zeros at a position stand for N.

        Returns:
            Logits `[B, outputs]`; values of a regression.

        Raises:
            UserError: if the shape is another.
        """
        if x.dim() != 3 or x.shape[1] != 4 or not x.is_floating_point():
            raise UserError(f"expected one-hot bases of shape [B, 4, T] and a floating type, got {tuple(x.shape)}")
        shares = token_shares(x, self.model.config.tokenizer)
        return self.model(shares, torch.full((len(x),), shares.shape[1], device=x.device))


def token_shares(x: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Return what share each token has at each place, one-hot where the bases are.

    The share of a k-mer is the product of the shares of its bases; what is left is the unknown token's.

    Args:
        x: shares of the bases A, C, G, T, `[B, 4, T]`.
        tokenizer: of a model.

    Returns:
        `[B, tokens, vocabulary]`.

    Raises:
        UserError: if the sequences are shorter than a token.

    Example:
        >>> from genomics.tokens import Nucleotides
        >>> token_shares(torch.eye(4)[None], Nucleotides()).argmax(-1).tolist()
        [[0, 1, 2, 3]]
    """
    width, step = tokenizer.width, tokenizer.step
    assert width <= MOST_BASES
    tokens = (x.shape[2] - width) // step + 1
    if tokens < 1:
        raise UserError(f"sequences of {x.shape[2]} bases are shorter than a token of {width}: give longer ones")
    bases = x.transpose(1, 2)
    shares = bases.new_ones(len(x), tokens, 1)
    for place in range(width):
        at = bases[:, place::step][:, :tokens]
        shares = (shares[..., None] * at[..., None, :]).flatten(-2)
    # A pad and a mask never stand in a sequence.
    return F.pad(torch.cat([shares, 1 - shares.sum(-1, keepdim=True)], -1), (0, 2))

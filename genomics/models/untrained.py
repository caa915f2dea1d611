"""Models before training: a classifier, new or begun with a pretrained encoder, and what is pretrained."""

import torch
from torch import Tensor, nn

from titans_seq.errors import UserError

from ..tokens import Tokenizer
from ..training.config import Objective
from .classifier import Classifier, ClassifierConfig
from .encoder import Encoder, EncoderConfig


def new_classifier(config: ClassifierConfig, seed: int, init: Encoder | None = None) -> Classifier:
    """Build the untrained classifier that training starts from.

    Args:
        config: the classifier.
        seed: of its weights.
        init: a pretrained encoder, whose weights it begins with; only the directions may differ.

    Raises:
        UserError: if the pretrained encoder is of another shape, or a part of the configuration does not fit another.
    """
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = Classifier(config)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"the model cannot be built as configured: {error}") from error
    if init is not None:
        _begin_with(model.encoder, init)
    return model


def _begin_with(encoder: Encoder, init: Encoder) -> None:
    own, given = encoder.state_dict(), init.state_dict()
    joins = {name for name in own if name.startswith("join.")}
    shapes = {name: x.shape for name, x in own.items() if name not in joins}
    if shapes != {name: x.shape for name, x in given.items() if not name.startswith("join.")}:
        raise UserError(
            "the pretrained encoder has other blocks, another width or other tokens than the classifier: take the "
            "encoder and the tokenizer of the pretraining run"
        )
    encoder.load_state_dict(own | {name: x for name, x in given.items() if name in own})


class PretrainModel(nn.Module):
    """An encoder and a head that names tokens: the next one, or all those of a step.

    Args:
        config: the encoder.
        tokenizer: what it reads.

    Example:
        >>> from dataclasses import replace
        >>> from genomics.models import encoder_preset
        >>> from genomics.tokens import Nucleotides
        >>> encoder = replace(encoder_preset("tiny"), directions="both")
        >>> model = PretrainModel(encoder, Nucleotides())
        >>> model(torch.tensor([[0, 1, 2]]), torch.tensor([3]), "masked").shape
        torch.Size([1, 3, 4])
    """

    def __init__(self, config: EncoderConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.encoder = Encoder(config, tokenizer.vocabulary)
        self.head = nn.Linear(config.dim, config.window * tokenizer.unknown)

    def forward(self, ids: Tensor, lengths: Tensor, objective: Objective) -> Tensor:
        """Logits of every token's answer, `[B, T, k-mers]`: of what follows it, or of itself."""
        if objective == "next":
            return self.head(self.encoder.read(self.encoder.local(ids, lengths)))
        logits = self.head(self.encoder(ids, lengths))
        return logits.unflatten(-1, (self.encoder.config.window, -1)).flatten(1, 2)[:, : ids.shape[1]]

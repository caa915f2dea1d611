"""Models before training: a classifier, new or begun with a pretrained encoder, and what is pretrained."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from titans_seq.config import describe_differences
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
    own, weights = encoder.state_dict(), init.state_dict()
    for name in [name for name in {*own, *weights} if name.startswith("join.")]:
        if name not in own:
            del weights[name]
        elif name not in weights:
            weights[name] = own[name]
    try:
        encoder.load_state_dict(weights)
    except RuntimeError as error:
        given = replace(init.config, directions=encoder.config.directions)
        other = describe_differences(given, encoder.config, "classifier.encoder")
        raise UserError(
            f"the pretrained encoder is another than the classifier's: {other or 'it reads other tokens'}: take the "
            "encoder and the tokenizer of the pretraining run, leave out --set classifier.encoder..."
        ) from error


class PretrainModel(nn.Module):
    """Name tokens by an encoder and a head: the next one, or all those of a step.

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
        """Return logits of every token's answer, `[B, T, k-mers]`: of what follows it, or of itself."""
        if objective == "next":
            return self.head(self.encoder.read(self.encoder.local(ids, lengths)))
        logits = self.head(self.encoder(ids, lengths))
        return logits.unflatten(-1, (self.encoder.config.window, -1)).flatten(1, 2)[:, : ids.shape[1]]

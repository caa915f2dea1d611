"""The short descriptions that lie beside saved weights."""

from torch import nn

from titans_seq.experiment.history import History, describe

from ..tokens import KMers, Tokenizer
from .config import PretrainRun, TrainRun
from .stacking import Stack

_STRANDS = {
    "given": "each sequence as it stands",
    "augment": "either strand at random in training, the mean of both in prediction",
    "average": "each sequence as it stands in training, the mean of both strands in prediction",
    "equivariant": "the mean of both strands, in training too",
}


def classifier_card(run: TrainRun, history: History, model: nn.Module, stack: Stack | None = None) -> str:
    """Say in Markdown what a classifier tells apart, how it was trained and how to use it.

    Args:
        run: the run.
        history: its training.
        model: the trained model.
        stack: how much of it are linear models.
    """
    config, best, parts = run.classifier, history.best, run.data.options["parts"]
    what = {"classes": "classes", "multilabel": "labels, any of them", "regression": "a number"}[config.kind]
    names = "" if not run.classes else f": {', '.join(run.classes[:20])}{', ...' if len(run.classes) > 20 else ''}"
    score = describe(best, ("validation_loss", "validation_mcc")) or "no validation"
    held_out = 0 if parts["validation"] is None else parts["validation"]["sequences"]
    doubt = (
        "The validation part chose the epoch, so its score flatters the model."
        if held_out
        else "Nothing was held out, so that no score of this model is known: those of the runs before stand in for it."
    )
    return f"""# DNA classifier

Predicts {what}{names}. Trained by titans-seq {run.origin.versions["titans-seq"]}.

- trained on {parts["train"]["sequences"]:,} sequences of {parts["train"]["median_length"]:,} bases (the median), \
validated on {held_out:,}
- data: {run.data.path} (SHA-256 of sequences and labels {run.data.sha256})
- encoder: {config.encoder.depth} blocks of width {config.encoder.dim}, directions: {config.encoder.directions}; \
{sum(x.numel() for x in model.parameters()):,} parameters
- tokens: {_tokens(config.tokenizer)}; pooling: {config.pooling}
- strands: {_STRANDS[config.strands]}; {_places(config.places)}
- linear models: {"none" if stack is None else stack.describe()}
- begins with: {run.init or "random weights"}, seed {run.training.seed}
- training: {len(history.epochs)} epochs, best epoch {history.best_epoch} ({score})

{doubt} What it predicts holds for sequences like those it was trained on; a score that sequence length or GC content
alone reaches says nothing of biology.

```python
from genomics import DNAClassifier
DNAClassifier.load("this folder").predict(["ACGT..."])
```
"""


def _places(places: int) -> str:
    return f"each of the first {places:,} places has weights of its own" if places else "no weights of places"


def encoder_card(run: PretrainRun, history: History, model: nn.Module) -> str:
    """Say in Markdown what an encoder was pretrained on and how to use it.

    Args:
        run: the run.
        history: its training.
        model: the trained model.
    """
    config = run.training
    score = describe(history.best, ("validation_loss",)) or "no validation"
    return f"""# DNA encoder

Pretrained by titans-seq {run.origin.versions["titans-seq"]}: {config.objective} token.

- data: {run.data.path} (SHA-256 of the sequences {run.data.sha256})
- encoder: {run.encoder.depth} blocks of width {run.encoder.dim}, directions: {run.encoder.directions}; \
{sum(x.numel() for x in model.parameters()):,} parameters
- tokens: {_tokens(run.tokenizer)}
- training: {config.steps:,} steps of {config.rows} windows of {config.length:,} tokens, seed {config.seed}
- {score}, in nats a token

Train a classifier from it with `titans dna train --init`.
"""


def _tokens(tokenizer: Tokenizer) -> str:
    if isinstance(tokenizer, KMers):
        return f"{tokenizer.k}-mers, {tokenizer.stride} bases apart"
    return "single nucleotides"

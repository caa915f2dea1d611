"""The short descriptions that lie beside saved weights."""

from torch import nn

from ..sequences.values import Splits
from ..tokens import KMers, Tokenizer
from ..training.fitting import FitResult
from ..training.pretraining import Validation
from .folder import PretrainRun, TrainRun

_STRANDS = {
    "given": "each sequence as it stands",
    "augment": "either strand at random in training, the mean of both in prediction",
    "average": "each sequence as it stands in training, the mean of both strands in prediction",
    "equivariant": "the mean of both strands, in training too",
}


def classifier_card(run: TrainRun, splits: Splits, result: FitResult, model: nn.Module) -> str:
    """Markdown that says what a classifier tells apart, how it was trained and how to use it.

    Args:
        run: the run.
        splits: what it was trained on.
        result: its training.
        model: the trained model.
    """
    config, best = run.classifier, result.best
    what = {"classes": "classes", "multilabel": "labels, any of them", "regression": "a number"}[config.kind]
    names = "" if not run.classes else f": {', '.join(run.classes[:20])}{', ...' if len(run.classes) > 20 else ''}"
    lengths = [len(sequence) for sequence in splits.train.sequences]
    score = "no validation"
    if best.val_loss is not None:
        score = f"validation loss {best.val_loss:.4f}"
        score += "" if best.val_mcc is None else f", MCC {best.val_mcc:.4f}"
    held_out = 0 if splits.validation is None else len(splits.validation)
    return f"""# DNA classifier

Predicts {what}{names}. Trained by titans-seq {run.versions["titans-seq"]}.

- trained on {len(lengths):,} sequences of {min(lengths):,} to {max(lengths):,} bases, validated on {held_out:,}
- data: {run.source.data} (SHA-256 of sequences and labels {run.source.fingerprint})
- encoder: {config.encoder.depth} blocks of width {config.encoder.dim}, directions: {config.encoder.directions}; \
{sum(x.numel() for x in model.parameters()):,} parameters
- tokens: {_tokens(config.tokenizer)}; pooling: {config.pooling}
- strands: {_STRANDS[config.strands]}
- begins with: {run.init or "random weights"}, seed {run.train.seed}
- training: {len(result.history)} epochs, best epoch {result.best_epoch} ({score})

The validation part chose the epoch, so its score flatters the model. What it predicts holds for sequences like those it
was trained on; a score that sequence length or GC content alone reaches says nothing of biology.

```python
from genomics.runs import load_classifier
load_classifier("this folder").predict_proba(["ACGT..."])
```
"""


def encoder_card(run: PretrainRun, history: tuple[Validation, ...], model: nn.Module) -> str:
    """Markdown that says what an encoder was pretrained on and how to use it.

    Args:
        run: the run.
        history: its validations.
        model: the trained model.
    """
    config = run.pretrain
    last = history[-1].val_loss if history else None
    score = "no validation" if last is None else f"validation loss {last:.4f} nats a token"
    return f"""# DNA encoder

Pretrained by titans-seq {run.versions["titans-seq"]}: {config.objective} token.

- data: {run.source.data} (SHA-256 of the sequences {run.source.fingerprint})
- encoder: {run.encoder.depth} blocks of width {run.encoder.dim}, directions: {run.encoder.directions}; \
{sum(x.numel() for x in model.parameters()):,} parameters
- tokens: {_tokens(run.tokenizer)}
- training: {config.steps:,} steps of {config.rows} windows of {config.length:,} tokens, seed {config.seed}
- {score}

Train a classifier from it with `titans dna train --init`.
"""


def _tokens(tokenizer: Tokenizer) -> str:
    if isinstance(tokenizer, KMers):
        return f"{tokenizer.k}-mers, {tokenizer.stride} bases apart"
    return "single nucleotides"

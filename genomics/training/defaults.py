"""What is not said of a training follows from the size of the set.

The figures come from validation parts; benchmarks/RESULTS.md ("Defaults") says which.
"""

from dataclasses import replace

import numpy as np

from ..sequences.values import LabelledSequences
from ..tokens import Tokenizer
from .config import TrainConfig

_FEWEST_ROWS = 8
_EPOCHS, _LEAST_STEPS, _MOST_EPOCHS = 10, 2_500, 30
_MOST_SEQUENCES, _LEAST_EPOCHS = 500_000, 2
_MUTATIONS, _MORE_MUTATIONS, _FEW, _LONG = 0.05, 0.1, 20_000, 200
_PATIENCE = 0.4


def completed(config: TrainConfig, train: LabelledSequences, tokenizer: Tokenizer) -> TrainConfig:
    """Return the settings of a training with those that were not given.

    Half as many sequences a step, or a quarter, of a set of which an epoch would have fewer steps than asked for. Ten
    epochs, but as many as make 2,500 steps (30 at most) of a small set, and as few as read 500,000 sequences (2 at
    least) of a large one. A twentieth of the bases is drawn anew, a tenth where fewer than 20,000 sequences have 200
    bases or more: what does not matter in those is learnt by heart soonest.

    Args:
        config: of which epochs, patience and mutations may be None.
        train: the training part.
        tokenizer: what the model reads; words of several bases have no mutations.

    Example:
        >>> from genomics.synthetic import planted_motifs
        >>> from genomics.tokens import Nucleotides
        >>> whole = completed(TrainConfig(), planted_motifs(400, 30, seed=0), Nucleotides())
        >>> whole.rows, whole.epochs, whole.patience, whole.mutations
        (16, 30, 12, 0.05)
    """
    count = max(1, len(train))
    rows = config.rows
    while rows >= 2 * _FEWEST_ROWS and -(-count // rows) < config.least_steps:
        rows //= 2
    epochs = config.epochs
    if epochs is None:
        steps = -(-count // rows)
        epochs = min(max(_EPOCHS, -(-_LEAST_STEPS // steps)), _MOST_EPOCHS)
        epochs = max(min(epochs, _MOST_SEQUENCES // count), _LEAST_EPOCHS)
    mutations = config.mutations
    if mutations is None:
        long = np.median([len(sequence) for sequence in train.sequences]) >= _LONG if len(train) else False
        share = _MORE_MUTATIONS if long and count < _FEW else _MUTATIONS
        mutations = 0.0 if tokenizer.width > 1 else share
    patience = config.patience
    if patience is None:
        patience = max(1, round(_PATIENCE * epochs))
    return replace(config, rows=rows, least_steps=0, epochs=epochs, patience=patience, mutations=mutations)

# %% [markdown]
# # Find a motif
#
# A classifier is trained on sequences with a hidden motif, stands beside simple models, and then shows the motif. The
# sequences are made up, so that the answer is known. Your own come as a file: see
# [bring your own sequences](../dna-your-data.md). On the command line this is `titans dna train`, `explain` and
# `motifs`.

# %%
import numpy as np

from genomics import DNAClassifier
from genomics.synthetic import planted_motifs
from genomics.training.config import TrainConfig
from titans_seq.experiment.settings import Hardware

MOTIF = "TGACTCAGCA"
data = planted_motifs(600, length=40, seed=0, motif=MOTIF, kept=0.95)
for sequence, label in zip(data.sequences[:2], data.labels[:2], strict=True):
    print(sequence, data.classes[label])

# %% [markdown]
# ## Train
#
# The motif stands on either strand, hence `strands="augment"`: training takes either strand at random, and a prediction
# is the mean of both. A tenth of the sequences chooses the epoch, a tenth is read once at the end.

# %%
model = DNAClassifier.fit(
    data, preset="tiny", training=TrainConfig(epochs=8), strands="augment", hardware=Hardware("cpu")
)
scores = model.evaluate("test")
print(f"test part: {scores.scores['accuracy']:.0%} right; by chance: 50%")

# %% [markdown]
# ## Ask which bases it rests on
#
# Mutagenesis replaces every base by each of the others, and looks at what becomes of the prediction. A base that
# supports the class stands above zero. The window with the largest sum should be the motif.

# %%
(sequence,) = (s for s in planted_motifs(2, 40, seed=99, motif=MOTIF, kept=1.0).sequences if MOTIF in s)
importance = model.explain(sequence, "motif", "mutagenesis").importance
sums = np.convolve(importance, np.ones(len(MOTIF)), "valid")
start = int(sums.argmax())
print(sequence)
print(" " * start + "^" * len(MOTIF), "the window that the prediction rests on")
assert abs(start - sequence.index(MOTIF)) <= 2

# %% [markdown]
# The picture of `titans dna explain` shows the same for another sequence:
#
# ![Importance of each base of one sequence](../images/dna.png)
#
# Over many sequences, `titans dna motifs runs/z positives.fa --out motifs/` cuts such windows out, aligns them, and
# matches what comes out with a database of known motifs.

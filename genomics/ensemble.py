"""`DNAEnsemble`: several classifiers as one, in Python."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from titans_seq.checkpoint import WEIGHTS
from titans_seq.errors import UserError

from .classifier import DNAClassifier
from .runs.config import member_runs
from .runs.decision import Decision, read_decision, write_decision
from .runs.members import Members, load_members
from .runs.plan import Plan, divided
from .runs.predictor import Predictor
from .runs.saving import save_classifier
from .sequences.options import LoadOptions
from .sequences.values import Splits
from .training.config import PartConfig, TrainConfig
from .using import Labelled, Using, read_labelled


class DNAEnsemble(Using, Members):
    """Do what `DNAClassifier` does by the mean of several classifiers, and say its spread.

    Predictions are means of probabilities, with columns `spread_...`; explanations are means of the members', with a
    `spread` for each base.

    Args:
        models: at least one; of one kind and with the same classes.
        names: see `Members`.
        parts: see `DNAClassifier`.
        decision: see `DNAClassifier`.

    Example:
        >>> from genomics.synthetic import planted_motifs
        >>> data, short = planted_motifs(40, 20, seed=0), TrainConfig(epochs=1)
        >>> model = DNAEnsemble.fit(data, members=2, preset="tiny", training=short, strands="given")
        >>> list(model.predict(["ACGTACGT"]).columns)[2:]
        ['probability_background', 'probability_motif', 'spread_background', 'spread_motif']
    """

    models: tuple[Predictor, ...]

    def __init__(
        self,
        models: Sequence[Predictor],
        names: Sequence[str] = (),
        *,
        parts: Splits | None = None,
        decision: Decision | None = None,
    ) -> None:
        super().__init__(models, names)
        self.parts, self.decision = parts, decision or Decision()

    @classmethod
    def fit(
        cls,
        data: Labelled,
        members: int = 5,
        *,
        training: TrainConfig | None = None,
        parts: PartConfig | None = None,
        reading: LoadOptions | None = None,
        **options: Any,
    ) -> Self:
        """Train classifiers on the same parts, each from another seed; `titans dna train --seeds` does so in a folder.

        Args:
            data: see `DNAClassifier.fit`, like the others.
            members: how many, at least 1.
            training: how they are trained; the first has its seed, each next the one after.
            parts: how the data is divided, once.
            reading: what paths and tables do not say.
            options: of `DNAClassifier.fit`, but for `out`: see `save`.

        Raises:
            UserError: see `DNAClassifier.fit`; also if there is no member, or a folder is named.
        """
        if members < 1:
            raise UserError(f"an ensemble has at least 1 member, got {members}")
        if "out" in options:
            raise UserError("an ensemble is written by its save: leave out= away, or use titans dna train --seeds")
        training, parts = training or TrainConfig(), parts or PartConfig()
        if parts.folds is not None or parts.seeds is not None:
            raise UserError("an ensemble has members in place of folds and seeds: leave these out of parts")
        splits = read_labelled(data, reading)
        _, shared = next(divided(splits, Plan("", reading or LoadOptions(), parts, seed=training.seed)))
        models: list[DNAClassifier] = []
        for seed in range(training.seed, training.seed + members):
            if models:  # what the data chooses is measured once
                first = models[0].model.config
                options = options | {"strands": first.strands, "places": first.places, "words": first.words}
            own = PartConfig(final=parts.final)  # it is divided already
            models.append(DNAClassifier.fit(shared, training=replace(training, seed=seed), parts=own, **options))
        return cls(models, parts=models[0].parts)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], device: str | None = None) -> Self:
        """Return the ensemble in a folder, with the threshold and temperature that are kept there.

        Args:
            folder: what `save` wrote, or that of the runs of `titans dna train --seeds` or `--folds`.
            device: where it computes; None is a GPU if there is one.

        Raises:
            UserError: if there are no whole classifiers.
        """
        found = load_members(Path(folder), device)
        return cls(
            [one for one in found.models if isinstance(one, Predictor)],
            found.names,
            decision=read_decision(Path(folder)),
        )

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write each member as a folder of its own, seed-0, seed-1, ..., in place of an earlier ensemble.

        The verbs of `titans dna` take the folder for a run.

        Raises:
            UserError: if the folder holds runs.
            OSError: if it cannot be written.
        """
        folder = Path(folder)
        earlier = member_runs(folder)
        if any(not (one / WEIGHTS).is_file() for one in earlier):
            raise UserError(f"{folder} holds runs of training: give the name of another folder")
        kept = [folder / f"seed-{number}" for number in range(len(self.models))]
        for path, model in zip(kept, self.models, strict=True):
            save_classifier(path, model.model, model.classes, model.card)
        for path in set(earlier) - set(kept):
            shutil.rmtree(path)
        write_decision(folder, self.decision)

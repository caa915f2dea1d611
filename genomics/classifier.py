"""`DNAClassifier`: a classifier of DNA from labelled sequences, in Python."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from titans_seq.errors import UserError
from titans_seq.experiment.history import LOG, History
from titans_seq.experiment.settings import ONE_DEVICE, Hardware, Runtime
from titans_seq.progress import Progress

from .models.classifier import Classifier, ClassifierConfig
from .models.one_hot import OneHotClassifier
from .runs.building import AUTO, PRESET, chosen_by_data, classifier_for, new_encoder
from .runs.card import classifier_card
from .runs.decision import Decision, read_decision, write_decision
from .runs.final import final_training, train_final
from .runs.plan import Plan, divided, whole
from .runs.predictor import Predictor
from .runs.saving import load_classifier, save_classifier
from .runs.stacking import Stack, mean_of, stacked
from .runs.train_runs import IN_MEMORY, new_run, train_run
from .sequences.options import LoadOptions
from .sequences.values import LabelledSequences, Splits
from .training.config import PartConfig, TrainConfig
from .training.fitting import fit
from .using import Labelled, Using, read_labelled


class DNAClassifier(Using, Predictor):
    """Fit, save and load a classifier, predict and evaluate with it, and explain it.

    Args:
        model: the classifier.
        classes: names of its classes or labels; none for a regression.
        device: where it computes; None is a GPU if there is one.
        card: a short description, as Markdown, which is saved beside the weights.
        history: of its training, where that is known.
        parts: what it was trained, validated and may be tested on, where that is known.
        decision: threshold and temperature of `predict`, see `titans dna decide`; None for the likeliest class.

    Example:
        >>> import tempfile
        >>> from genomics.synthetic import planted_motifs
        >>> data = planted_motifs(40, 20, seed=0)
        >>> model = DNAClassifier.fit(data, preset="tiny", training=TrainConfig(epochs=1), hardware=Hardware("cpu"))
        >>> list(model.predict(["ACGTACGT"]).columns)
        ['name', 'predicted', 'probability_background', 'probability_motif']
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model")
        ...     DNAClassifier.load(f"{folder}/model").classes
        ('background', 'motif')
    """

    def __init__(
        self,
        model: Classifier,
        classes: Sequence[str],
        device: str | None = None,
        *,
        card: str = "# DNA classifier\n",
        history: History | None = None,
        parts: Splits | None = None,
        decision: Decision | None = None,
    ) -> None:
        super().__init__(model, classes, device, card=card)
        self.history, self.parts, self.decision = history, parts, decision or Decision()

    @classmethod
    def fit(
        cls,
        data: Labelled,
        *,
        preset: str = PRESET,
        training: TrainConfig | None = None,
        parts: PartConfig | None = None,
        reading: LoadOptions | None = None,
        init: str | os.PathLike[str] | None = None,
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        hardware: Hardware = ONE_DEVICE,
        progress: Progress = "none",
        **changes: Any,
    ) -> Self:
        """Train a classifier; the best epoch on the validation part is kept.

        With `parts=PartConfig(final=True)` it is then trained once more on all parts together, for as many epochs as
        were best. Nothing is left on which that model could be scored.

        Args:
            data: labelled sequences; parts that it does not have are taken from the training part.
            preset: size of the encoder: tiny, small, medium or large.
            training: how it is trained.
            parts: how the data is divided, but for folds.
            reading: what paths and tables do not say.
            init: run of `titans dna pretrain` that it begins with, in place of a preset.
            out: run folder for everything that repeats the run; None writes nothing.
            overwrite: replace an earlier run in `out`.
            hardware: what to run on, a single process.
            progress: what to show meanwhile.
            changes: other settings of the classifier, such as `strands="augment"`; those with a dot in their path as
                `**{"encoder.directions": "both"}`. Strands that are not given, or "auto", and places that are not
                given are measured on the training part; words that are not given are of up to six bases.

        Raises:
            UserError: if the data cannot be read or learnt from, a setting does not fit, or `out` is taken.
        """
        if hardware.processes > 1:
            raise UserError("several devices need several processes: train with titans dna train --devices")
        training, runtime = training or TrainConfig(), Runtime(hardware, progress)
        splits = read_labelled(data, reading)
        source = str(Path(data).resolve()) if isinstance(data, (str, os.PathLike)) else IN_MEMORY
        parts = parts or PartConfig()
        if parts.folds is not None or parts.seeds is not None:
            raise UserError(
                "fit trains one classifier: leave folds and seeds out of parts; DNAEnsemble.fit trains several on the "
                "same parts, titans dna train --folds cross-validates"
            )
        plan = Plan(source, reading or LoadOptions(), parts, seed=training.seed)
        _, own = next(divided(splits, plan))
        start = None if init is None else Path(init)
        config, chosen = _chosen(splits, own.train, preset, start, training, changes)
        known = None if source == IN_MEMORY else plan
        if out is not None:
            trained = train_run(
                own, Path(out), config, training, plan=known, init=start, chosen=chosen,
                overwrite=overwrite, runtime=runtime,
            )  # fmt: skip
            assert trained is not None
            if not plan.parts.final:
                return cls._of(trained, parts=own, history=History.read(Path(out) / LOG))
            final = train_final([Path(out)], splits, Path(out), runtime=runtime)
            return cls._of(load_classifier(final, hardware.device()), history=History.read(final / LOG))
        run, model = new_run(own, config, training, known, start, chosen)
        history, stack = _fit_in_memory(model, own, run.training, runtime)
        if plan.parts.final:
            everything, seen = final_training(run.training, [history]), Splits(whole(splits))
            run, model = new_run(seen, config, everything, known, start, chosen)
            history, stack = _fit_in_memory(model, seen, run.training, runtime, mean_of([stack]))
        card = classifier_card(run, history, model, stack)
        tested = None if plan.parts.final else own
        return cls(model, run.classes, hardware.device(), card=card, history=history, parts=tested)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], device: str | None = None) -> Self:
        """Return a saved classifier; of a run folder with the threshold and temperature that are kept there.

        Args:
            folder: what `save` wrote, or a run folder.
            device: where it computes; None is a GPU if there is one.

        Raises:
            UserError: if there is no whole classifier; the message names the file and says what to do.
        """
        return cls._of(load_classifier(folder, device), decision=read_decision(Path(folder)))

    @classmethod
    def _of(cls, trained: Predictor, **known: Any) -> Self:
        return cls(trained.model, trained.classes, trained.device, card=trained.card, **known)

    @property
    def one_hot(self) -> OneHotClassifier:
        """A module from one-hot bases `[B, 4, T]` to logits, as captum and tangermeme take it."""
        return OneHotClassifier(self.model)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the classifier as a whole folder, in place of an earlier one.

        Raises:
            UserError: if `folder` exists and is no saved model.
            OSError: if it cannot be written.
        """
        save_classifier(folder, self.model, self.classes, self.card)
        if self.decision != Decision():
            write_decision(Path(folder), self.decision)


def _chosen(
    splits: Splits, train: LabelledSequences, preset: str, init: Path | None, how: TrainConfig, changes: dict[str, Any]
) -> tuple[ClassifierConfig, tuple[str, ...]]:
    """Return the classifier for a data set, and what its training part chose of it, in sentences; see `fit`."""
    strands = changes.get("strands", AUTO) == AUTO
    decided = {name: value for name, value in changes.items() if name != "strands" or not strands}
    encoder = new_encoder(preset) if init is None else None
    return chosen_by_data(
        classifier_for(splits.train, encoder, init=init, changes=decided),
        train,
        how.seed,
        strands=strands,
        places="places" not in changes,
        words="words" not in changes and how.class_weights == "none",
    )


def _fit_in_memory(
    model: Classifier, parts: Splits, how: TrainConfig, runtime: Runtime, earlier: Stack | None = None
) -> tuple[History, Stack | None]:
    """Train a classifier in place, and weigh linear models into it."""
    history = fit(model, parts.train, parts.validation, how, runtime=runtime)
    return history, stacked(model, parts.train, parts.validation, runtime.hardware.device(), earlier)

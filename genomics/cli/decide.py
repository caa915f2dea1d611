"""`titans dna decide`: from which probability on a sequence is called positive, chosen on the validation part."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import Positional

from titans_seq.commands import Inline
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware

from .options import ComputeOptions


@dataclass(frozen=True)
class Decide:
    """Choose a threshold and calibrate probabilities, on the validation part of a run of two classes.

    Both are kept in the run, and titans dna predict and evaluate use them; of several seeds they are those of the mean.
    Probabilities are those of logits divided by a temperature, which makes them as sure as they are right and changes
    no order. The test part is not looked at.
    """

    run: Positional[Path]
    """Folder of a trained run, or of those of several seeds."""
    by: str = "mcc"
    """What is to be largest, mcc or f1; or what is to be reached: recall=0.9 or precision=0.9."""
    no_calibration: bool = False
    """Leave the probabilities as they are."""
    compute: Inline[ComputeOptions] = field(default_factory=ComputeOptions)


def decide(options: Decide) -> None:
    """Choose, keep and print."""
    from ..evaluation.deciding import FAR, Rule
    from ..runs.config import member_runs
    from ..runs.decision import decide, write_decision
    from ..runs.members import load_model
    from ..runs.trained_on import own_parts
    from .progress import note

    rule = Rule.parse(options.by)
    first = next(iter(member_runs(options.run)), options.run)
    if first.name.startswith("fold") and first != options.run:
        raise UserError(
            f"{options.run}: each fold was trained on what the others hold out, so that nothing is left on which a "
            f"threshold of their mean could be chosen: name one of them, such as {first}, or train with --seeds"
        )
    model = load_model(options.run, Hardware(options.compute.device).device())
    _, parts = own_parts(first)
    if parts.validation is None:
        raise UserError(
            f"the data of {options.run} has no validation part, on which a threshold is chosen: give one that was "
            "chosen otherwise, as in a run beside it, to titans dna predict --threshold"
        )
    note(f"predicting {len(parts.validation):,} validation sequences", options.compute.progress)
    found = decide(model, parts.validation, rule, not options.no_calibration)
    write_decision(options.run, found)
    print(f"called {model.classes[1]} from a probability of {found.threshold:.4g} on ({found.rule}, on validation)")
    sure = "surer" if found.temperature > 1 else "less sure"
    print(f"temperature {found.temperature:.3f}: the model was {sure} than it was right")
    seen = f"the {len(parts.validation):,} validation sequences"
    if found.temperature > FAR:
        print(
            f"warning: on {seen} its probabilities say little: train longer or on more, and look at the scores of the "
            "run first"
        )
    if found.temperature < 1 / FAR:
        print(
            f"warning: nearly all of {seen} are told apart, so that they say little of how sure it may be on others: "
            "--no-calibration leaves the probabilities as they are"
        )
    print(f"kept in {options.run}; next:\n  titans dna predict {shlex.quote(str(options.run))} new.fa --out scores.csv")

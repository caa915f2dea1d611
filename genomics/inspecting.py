"""A DNA classifier before a sequence, for `titans inspect`."""

from typing import get_args

import torch

from titans_seq.errors import UserError
from titans_seq.experiment.settings import Accelerator, Hardware
from titans_seq.inspection.opened import Opened, Request

from .batching import pad
from .runs.saving import load_classifier
from .sequences.loading import read_all
from .sequences.values import Record


def open_input(request: Request) -> Opened:
    """Open a run and the first bases of a record.

    Raises:
        UserError: if the run is not whole, the file holds no such record, or a horizon is asked for.
    """
    if request.horizon is not None:
        raise UserError(f"--horizon is for forecasters, and {request.run} is a DNA classifier: leave it out")
    assert request.device in get_args(Accelerator)
    predictor = load_classifier(request.run, Hardware(request.device).device())  # type: ignore[arg-type]
    model, record = predictor.model, _record(request)
    sequence = record.sequence[: request.tokens]
    batch = pad([model.config.tokenizer.encode(sequence)], model.config.tokenizer.pad).to(predictor.device)
    window, step = model.config.encoder.window, model.config.tokenizer.step
    steps = model.encoder.steps(batch.lengths)[0].item()
    bases = window * step

    def read() -> torch.Tensor:
        return model(batch.ids, batch.lengths)

    cut = len(record.sequence) > len(sequence)
    return Opened(
        model=model,
        read=read,
        title=f"{request.input.name}, {record.name}, {len(sequence):,} bases",
        labels=[sequence[at * bases : (at + 1) * bases] for at in range(int(steps))],
        notes=(
            *(
                (f"the first {len(sequence):,} of {len(record.sequence):,} bases are read: see --tokens",)
                if cut
                else ()
            ),
            *((f"a step of the memory is {bases} bases",) if bases > 1 else ()),
        ),
    )


def _record(request: Request) -> Record:
    for record in read_all([request.input]):
        if request.part in (None, record.name):
            return record
    wanted = "record" if request.part is None else f"record named {request.part!r}"
    raise UserError(f"{request.input}: has no {wanted}: check the file and --part")

"""The log of a run: one JSON object a line, for steps and for validations."""

import functools
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from titans_seq.errors import UserError
from titans_seq.files import write_text
from titans_seq.models import CausalLM
from titans_seq.training.statistics import memory_statistics
from titans_seq.experiment.throughput import Throughput, training_flops

from ..data.stream import SegmentBatch
from .config import PretrainConfig
from .module import LanguageModule


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """Read the rows of a log, leaving out a last line that a killed process did not finish.

    Raises:
        UserError: naming file and line, if any other line is damaged.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            yield json.loads(line)
        except ValueError as error:
            if number < len(lines):
                raise UserError(f"{path}, line {number}: damaged ({error}): restore the file or remove it") from error


class TrainingLog(Callback):
    """Write a line every `log_every` steps and after each validation.

    A line of a step holds `step`, `tokens` so far, `loss` (mean over the steps since the last line), `lr`,
    `gradient_norm` (of this step, before clipping), `skipped` steps so far, `tokens_per_second`,
    `flops_utilisation` if the peak is known, `write_cost` (what the memories' writes added to this step's loss) if they
    cost anything, and for a model with memory the means over its memories of what `memory_statistics` finds, as
    `memory_lr`, `memory_surprise` and so on. A line of a validation holds `step`, `validation_loss` (nats a token),
    `perplexity`, and `bits_per_byte` if the bytes of the text are known. The losses are without the cost of writing.

    Args:
        path: the file. A resumed run goes on after the lines up to where it goes on.
        config: the run.
        model: what is trained.
        tokens_per_byte: of the validation text; None if that is not known.
        lines: whether to print a short line for each, on standard error.
    """

    def __init__(
        self,
        path: Path,
        config: PretrainConfig,
        model: CausalLM,
        tokens_per_byte: float | None = None,
        lines: bool = False,
    ) -> None:
        self._path, self._config, self._tokens_per_byte, self._lines = path, config, tokens_per_byte, lines
        self._throughput = Throughput(training_flops(model, config.batches.length), config.records.peak_flops)
        self._losses: list[float] = []
        self._seen = 0
        self._written = 0
        self.validated_at = -1
        """Step of the latest validation."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Drop what an earlier process logged after the step that this one goes on from."""
        self._start(trainer)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do so for a run that was resumed after its last step, too: it does not train at all."""
        if self._seen < trainer.global_step:
            self._start(trainer)

    def _start(self, trainer: pl.Trainer) -> None:
        self._seen = self._written = trainer.global_step
        if trainer.is_global_zero:
            kept = [row for row in read_log(self._path) if row["step"] <= trainer.global_step]
            write_text(self._path, "".join(map(_line, kept)))
            self.validated_at = max((row["step"] for row in kept if "validation_loss" in row), default=-1)
        self._throughput.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the loss of a step that is done, and write a line when one is due."""
        assert isinstance(pl_module, LanguageModule)
        step = trainer.global_step
        if step == self._seen:
            return
        self._seen = step
        self._losses.append(pl_module.loss)
        if step % self._config.records.log_every and step != self._config.steps:
            return
        tokens = self._config.batches.tokens
        rate, utilisation = self._throughput.look((step - self._written) * tokens)
        row = {
            "step": step,
            "tokens": step * tokens,
            "loss": _mean(self._losses),
            "lr": pl_module.lr,
            "gradient_norm": pl_module.gradient_norm,
            "skipped": pl_module.skipped,
            "tokens_per_second": rate,
        }
        if utilisation is not None:
            row["flops_utilisation"] = utilisation
        if self._config.write_cost:
            row["write_cost"] = pl_module.cost
        # Through the module, for where parameters are sharded it alone has them whole.
        statistics = memory_statistics(pl_module.network, functools.partial(_read_first_row, pl_module, batch))
        row |= {f"memory_{name}": _mean(values) for name, values in statistics.items()}
        self._write(trainer, row)
        if self._lines and trainer.is_global_zero:
            self._print(f"loss {row['loss']:.4f}, {rate:,.0f} tokens/s", step)
        self._losses, self._written = [], step
        # The look into the memories is no training.
        self._throughput.start()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write a line."""
        step, loss = self._seen, float(trainer.callback_metrics["val_loss"])
        self.validated_at = step
        row = {"step": step, "validation_loss": loss, "perplexity": math.exp(min(loss, 700.0))}
        if self._tokens_per_byte is not None:
            row["bits_per_byte"] = loss * self._tokens_per_byte / math.log(2)
        self._write(trainer, row)
        if self._lines and trainer.is_global_zero:
            self._print(f"validation loss {loss:.4f}, perplexity {row['perplexity']:.2f}", step)
        self._throughput.start()

    def _write(self, trainer: pl.Trainer, row: dict[str, Any]) -> None:
        if trainer.is_global_zero:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(_line(row))

    def _print(self, text: str, step: int) -> None:
        print(f"step {step:,}/{self._config.steps:,}: {text}", file=sys.stderr, flush=True)


def _read_first_row(module: LanguageModule, batch: SegmentBatch) -> None:
    module.network(batch.ids[:1], None, batch.fresh[:1], return_state=False)


def _line(row: dict[str, Any]) -> str:
    # JSON has no number that is not finite.
    clean = {name: None if isinstance(x, float) and not math.isfinite(x) else x for name, x in row.items()}
    return json.dumps(clean, allow_nan=False) + "\n"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)

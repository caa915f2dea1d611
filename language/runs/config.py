"""What a pretraining run keeps in its folder."""

from dataclasses import dataclass, field
from typing import Any

from titans_seq.experiment.record import DataRecord, Origin
from titans_seq.experiment.run_folder import RunLayout
from titans_seq.models import CausalLMConfig

from ..tokenizers import TokenizerInfo
from ..training.config import PretrainConfig

PICTURE = "training.png"
RUNS = RunLayout((PICTURE,), finish="`titans lm pretrain --resume --out {out}`")


@dataclass(frozen=True)
class Settings:
    """What `--set` may change: the model, and how it is trained."""

    model: CausalLMConfig
    training: PretrainConfig


@dataclass(frozen=True)
class RunConfig:
    """Everything to repeat a run.

    Attributes:
        model: what is trained.
        training: how.
        tokenizer: which the tokens are of.
        data: the folders of token shards; several have a `weight` each.
        init: the model whose weights it begins with, and their hash; None for random weights.
        origin: versions, commit and command.
    """

    model: CausalLMConfig
    training: PretrainConfig
    tokenizer: TokenizerInfo
    data: tuple[DataRecord, ...]
    init: DataRecord | None = None
    origin: Origin = field(default_factory=lambda: Origin.here("torch", "lightning", "numpy"))

    @staticmethod
    def upgraded(plain: dict[str, Any]) -> dict[str, Any]:
        """Return today's form of the plain values that earlier versions wrote (`pretrain`, `fingerprint`, unpacked)."""
        if "pretrain" not in plain:
            return plain | {"training": _with_padding(plain["training"])} if "training" in plain else plain
        training = dict(plain["pretrain"])
        return {
            "model": training.pop("model", None),
            "training": _with_padding(training | {"optimiser": _exact_warmup(training)}),
            "tokenizer": plain.get("tokenizer"),
            "data": [{"path": plain.get("data"), "sha256": plain.get("fingerprint")}],
            "origin": {"versions": plain.get("versions", {})},
        }


def _with_padding(training: dict[str, Any]) -> dict[str, Any]:
    """Settings whose documents are padded where they do not say so: they are from before documents were packed."""
    return training | {"batches": {"pack": False} | training.get("batches", {})}


def _exact_warmup(training: dict[str, Any]) -> dict[str, Any]:
    """Settings of the optimiser whose warm-up is as long as it was: in steps it could be longer than a tenth."""
    optimiser, steps = dict(training.get("optimiser", {})), training.get("steps", 1)
    if optimiser.get("warmup", 100) > steps // 10:
        optimiser["warmup"] = min(optimiser.get("warmup", 100) / steps, 0.999)
    return optimiser

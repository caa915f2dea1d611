"""`titans plan`: what the training of a language model costs, before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import OmitArgPrefixes, arg

from titans_seq.commands import Command, Maybe, Several
from titans_seq.errors import UserError, choose, require_at_least

from ..training.config import PretrainConfig, training_preset
from .pretrain import PRESET, chosen_model, stored

if TYPE_CHECKING:
    from titans_seq.models import CausalLMConfig
    from titans_seq.planning import Device
    from titans_seq.planning.plan import Budget
    from titans_seq.planning.plan import Plan as Planned

PAPER_TOKENS = {"170m": 15e9, "340m": 15e9, "400m": 15e9, "760m": 30e9, "1.3b": 100e9}
"""Tokens that the papers train the sizes on."""
LLAMA_2_VOCABULARY = 32_000
USABLE = 0.9
"""Share of a device's memory that a plan fills."""


@dataclass(frozen=True)
class PlanOptions:
    """Say what the training of a language model costs: parameters, FLOPs, memory, and hours on a device.

    Parameters, FLOPs, saved activations and kernels are counted, from the code, on tensors without data. Tokens a
    second are an estimate: a data sheet's peak times efficiencies that are assumed, and no measurement. The settings
    are those of titans lm pretrain.
    """

    preset: Maybe[str] = None
    """VARIANT-SIZE, see titans lm pretrain; tiny-mac if not given."""
    config: Maybe[Path] = None
    """config.yaml of a run, or its folder."""
    set: Annotated[Several, arg(metavar="PATH=VALUE")] = ()
    """Change any setting by its path in config.yaml; give it once for each."""
    vocabulary: Maybe[int] = None
    """Tokens of the tokenizer; 32,000 (Llama 2's), or the run's, if not given."""
    device: str = "h100"
    """What to train on, by the table of devices; `list` prints it."""
    devices: int = 8
    """How many of it."""
    tokens: Maybe[float] = None
    """Tokens to train on, such as 15e9; those of the paper for its sizes, else a billion."""
    efficiency: float = 0.4
    """Assumed share of the peak that large products reach."""
    memory_efficiency: float = 0.1
    """Assumed share of the peak that a memory's small products reach."""
    training: OmitArgPrefixes[PretrainConfig] = field(default_factory=PretrainConfig)

    def __post_init__(self) -> None:
        require_at_least(self, devices=1)
        for name in ("efficiency", "memory_efficiency"):
            if not 0 < getattr(self, name) <= 1:
                raise UserError(f"{name} must be in (0, 1], got {getattr(self, name)}")
        if self.tokens is not None and not self.tokens > 0:
            raise UserError(f"tokens must be above 0, got {self.tokens}")

    def defaults(self) -> Mapping[str, Any]:
        """Return the settings of the --config file, or of the preset."""
        if self.config is not None:
            return {"training": stored(self.config).training}
        return {"training": training_preset(self.preset or PRESET)}


COMMAND = Command(
    "language.cli.plan:PlanOptions",
    "language.cli.plan:plan",
    "what a training costs",
    (
        "--preset mac-340m",
        "--preset mag-760m --device h200 --devices 16 --rows 8 --tokens 30e9",
        "--preset lmm-170m --set model.blocks.0.memory.chunk_size=64 --length 4096",
        "--config runs/y --devices 1",
        "--device list",
    ),
)


def plan(options: PlanOptions) -> None:
    """Count, and print."""
    from titans_seq.experiment.overrides import override, parse_changes
    from titans_seq.planning import DEVICES, Assumptions, Budget, make_plan

    from ..runs.config import Settings

    if options.device == "list":
        print(_device_table())
        return
    device = DEVICES[choose(options.device, DEVICES, "device", hint="see titans plan --device list")]
    settings = override(Settings(_model(options), options.training), parse_changes(options.set))
    batches = settings.training.batches
    batches.accumulate(options.devices)
    budget = Budget(
        length=batches.length,
        rows=batches.rows_of(options.devices),
        step=batches.tokens,
        tokens=options.tokens or _paper_tokens(options.preset),
        devices=options.devices,
        carried=batches.mode == "carry",
        half=settings.training.precision != "32-true",
    )
    made = make_plan(settings.model, budget, device, Assumptions(options.efficiency, options.memory_efficiency))
    print(_text(made, settings.model, budget, device, options))


def _model(options: PlanOptions) -> "CausalLMConfig":
    vocabulary = options.vocabulary
    if vocabulary is None:
        vocabulary = LLAMA_2_VOCABULARY if options.config is None else stored(options.config).model.vocabulary
    if vocabulary < 1:
        raise UserError(f"vocabulary must be at least 1, got {vocabulary}")
    return chosen_model(options.preset, None, options.config, vocabulary)


def _paper_tokens(preset: str | None) -> float:
    words = (preset or "").lower().split("-")
    return next((tokens for size, tokens in PAPER_TOKENS.items() if size in words), 1e9)


def _device_table() -> str:
    from titans_seq.planning import DEVICES
    from titans_seq.tables import align

    rows = [["name", "device", "bf16 TFLOP/s", "fp32 TFLOP/s", "TB/s", "GB", "source"]]
    for name, device in DEVICES.items():
        figures = (device.half / 1e12, device.single / 1e12, device.bandwidth / 1e12, device.memory / 1e9)
        rows.append([name, device.about, *(f"{figure:,.4g}" for figure in figures), device.source])
    return align(rows) + "\ndense products; from data sheets, not measured"


def _text(made: "Planned", model: "CausalLMConfig", budget: "Budget", device: "Device", options: PlanOptions) -> str:
    parts = (
        [f"{made.parameters:,} parameters: {model.depth} blocks of width {model.dim}, vocabulary {model.vocabulary:,}"],
        _arithmetic(made),
        _memory(made, budget, device),
        _time(made, budget),
        _assumed(made, device, options),
    )
    return "\n\n".join("\n".join(part) for part in parts)


def _arithmetic(made: "Planned") -> list[str]:
    from titans_seq.tables import align

    rows = [["MFLOPs a token", "forward", "training"]]
    for part in ("matrices", "attention", "memory", "total"):
        rows.append([part, *(f"{getattr(one, part) / 1e6:,.1f}" for one in (made.forward, made.training))])
    return [align(rows), "products alone, counted from the code; attention without the saving of a mask"]


def _memory(made: "Planned", budget: "Budget", device: "Device") -> list[str]:
    most = max(0, int((USABLE * device.memory - made.weights) // (made.saved / budget.rows)))
    fits = "" if most >= budget.rows else f": TOO MUCH, take --rows {most}" if most else ": TOO MUCH for any segment"
    return [
        f"on each of {budget.devices} {device.about}, {budget.rows} segments of {budget.length:,} tokens at once:",
        f"  weights, gradients, AdamW  {made.weights / 1e9:8.2f} GB, in float32, shared out by FSDP2",
        f"  saved activations          {made.saved / 1e9:8.2f} GB, counted; fused kernels keep others",
        f"  together                   {made.needed / 1e9:8.2f} GB of {device.memory / 1e9:.0f}{fits}",
        f"  segments that would fit    {most:8,} into {USABLE:.0%} of it",
        f"  state carried a row        {made.state / 1e6:8.2f} MB",
    ]


def _time(made: "Planned", budget: "Budget") -> list[str]:
    busy, launching = made.seconds
    bound = "the number of kernels" if launching > busy else "arithmetic"
    hours = budget.tokens / made.rate / 3600
    return [
        f"estimate, not measured: {made.rate:,.0f} tokens a second; {budget.tokens / 1e9:,.4g} billion tokens are "
        f"{budget.tokens / budget.step:,.0f} steps and take {hours:,.1f} hours",
        f"  bound by {bound}: {busy:.3g} s of arithmetic and {launching:.3g} s of kernels for a batch of "
        f"{budget.rows * budget.length:,} tokens",
    ]


def _assumed(made: "Planned", device: "Device", options: PlanOptions) -> list[str]:
    from titans_seq.planning import Assumptions

    fused = "the memory runs in fused kernels"
    unfused = f"the memory has no fused kernel ({made.unfused}) and runs chunk by chunk in PyTorch"
    half, single = (f"{peak / 1e12:,.0f}" for peak in (device.half, device.single))
    return [
        f"assumed: {options.efficiency:.0%} of {half} TFLOP/s (bfloat16) or {single} (float32) for products and "
        f"attention, {options.memory_efficiency:.0%} for the memory, {Assumptions().call * 1e6:.0f} us a kernel; "
        "communication is left out",
        fused if made.unfused is None else unfused,
    ]

"""`titans plan lm`: what the training of a language model costs, before it starts."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from tyro.conf import OmitArgPrefixes

from titans_seq.commands import Inline, Maybe, SettingsOptions
from titans_seq.errors import UserError
from titans_seq.plans import DeviceOptions

from ..training.config import PretrainConfig, training_preset
from .pretrain import PRESET, chosen_model, stored

if TYPE_CHECKING:
    from titans_seq.models import CausalLMConfig
    from titans_seq.planning import Budget
    from titans_seq.planning.counting import Step
    from titans_seq.planning.report import Words

PAPER_TOKENS = {"170m": 15e9, "340m": 15e9, "400m": 15e9, "760m": 30e9, "1.3b": 100e9}
"""Tokens that the papers train the sizes on."""
LLAMA_2_VOCABULARY = 32_000
MOST_TIMED = 50_000_000
"""Parameters of a model that --measure trains."""
# Settings of the training that a plan reads; the model's are all read.
_USED = (
    "training.steps",
    "training.precision",
    "training.gradient_checkpointing",
    "training.batches.length",
    "training.batches.rows",
    "training.batches.tokens",
    "training.batches.mode",
    "training.batches.foreign_starts",
)


@dataclass(frozen=True)
class PlanOptions(DeviceOptions):
    """Say what the training of a language model costs: parameters, FLOPs, memory, and hours on a device.

    Parameters, FLOPs, saved activations and kernels are counted, from the code, on tensors without data. Tokens a
    second are an estimate: a data sheet's peak times efficiencies that are assumed, and no measurement. The settings
    are those of titans lm pretrain; such as change nothing of this are refused.
    """

    preset: Maybe[str] = None
    """VARIANT-SIZE, see titans lm pretrain; tiny-mac if not given."""
    settings: Inline[SettingsOptions] = field(default_factory=SettingsOptions)
    vocabulary: Maybe[int] = None
    """Tokens of the tokenizer; 32,000 (Llama 2's), or the run's, if not given."""
    device: str = "h100"
    """What to train on, by the table of devices; `list` prints it."""
    devices: int = 8
    """How many of it."""
    tokens: Maybe[float] = None
    """Tokens to train on, such as 15e9; those of --max-steps or of --config's steps if not given, else of the paper."""
    training: OmitArgPrefixes[PretrainConfig] = field(default_factory=PretrainConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tokens is not None and not 0 < self.tokens < math.inf:
            raise UserError(f"tokens must be above 0 and finite, got {self.tokens}")

    def defaults(self) -> Mapping[str, Any]:
        """Return the settings of the --config file, or of the preset."""
        if self.settings.config is not None:
            return {"training": stored(self.settings.config).training}
        return {"training": training_preset(self.preset or PRESET)}


def plan(options: PlanOptions) -> None:
    """Count, and print."""
    from titans_seq.experiment.overrides import override, parse_changes
    from titans_seq.models import CausalLM
    from titans_seq.models.presets import count_parameters
    from titans_seq.planning import Budget, language_step, make_plan
    from titans_seq.planning.report import fitting

    from ..runs.config import Settings

    if options.lists():
        return
    device = options.described()
    changes = parse_changes(options.settings.set)
    settings = override(Settings(_model(options), options.training), changes)
    _check_used(options, settings.training, changes)
    if options.measure and (parameters := count_parameters(settings.model)) > MOST_TIMED:
        raise UserError(
            f"--measure trains here at most {MOST_TIMED:,} parameters, and this model has {parameters:,}: leave it out"
        )
    batches = settings.training.batches
    batches.accumulate(options.devices)
    budget = Budget(
        length=batches.length,
        rows=batches.rows_of(options.devices),
        step=batches.tokens,
        tokens=options.tokens or _trained_tokens(settings.training) or _paper_tokens(options.preset),
        devices=options.devices,
        carried=batches.keeps_state,
        half=settings.training.precision != "32-true",
        checkpointing=settings.training.gradient_checkpointing,
    )
    made = make_plan(settings.model, budget, device, options.assumptions())
    most = int(budget.rows * fitting(made, device))
    room = f", take --rows {most}" if most else " for any segment"

    def timed() -> "tuple[CausalLM, list[tuple[Step, float]]]":
        model = CausalLM(settings.model)
        model.backbone.gradient_checkpointing = budget.checkpointing
        return model, [(language_step(model, budget.length, budget.rows, budget.carried), 1)]

    options.say(made, _words(settings.model, budget), timed, room)


def _model(options: PlanOptions) -> "CausalLMConfig":
    vocabulary = options.vocabulary
    if vocabulary is None:
        vocabulary = (
            LLAMA_2_VOCABULARY if options.settings.config is None else stored(options.settings.config).model.vocabulary
        )
    if vocabulary < 1:
        raise UserError(f"vocabulary must be at least 1, got {vocabulary}")
    return chosen_model(options.preset, None, options.settings.config, vocabulary)


def _check_used(options: PlanOptions, training: PretrainConfig, changes: Mapping[str, Any]) -> None:
    """Refuse options of the training that change nothing of a plan, and two that say how long it is.

    Raises:
        UserError: naming the option.
    """
    for path, value in _leaves("training", training, options.defaults()["training"]):
        if path == "training.steps" and options.tokens is not None:
            raise UserError("--tokens and --max-steps both say how much is trained on: leave out one of the two")
        if path in _USED:
            continue
        name = path.rpartition(".")[2].replace("_", "-")
        flag = f"--no-{name}" if value is False else f"--{name}"
        option = next((f"--set {one}" for one in changes if path == one or path.startswith(f"{one}.")), flag)
        raise UserError(f"{option} changes nothing of what titans plan says: leave it out")


def _leaves(path: str, given: Any, known: Any) -> Iterator[tuple[str, Any]]:
    """Settings that are not as they are known, by path."""
    for one in fields(given):
        mine, other = getattr(given, one.name), getattr(known, one.name)
        if is_dataclass(mine):
            yield from _leaves(f"{path}.{one.name}", mine, other)
        elif mine != other:
            yield f"{path}.{one.name}", mine


def _trained_tokens(training: PretrainConfig) -> int | None:
    """Tokens of all steps, where their number is given."""
    return None if training.steps is None else training.steps * training.batches.tokens


def _paper_tokens(preset: str | None) -> float:
    words = (preset or "").lower().split("-")
    return next((tokens for size, tokens in PAPER_TOKENS.items() if size in words), 1e9)


def _words(model: "CausalLMConfig", budget: "Budget") -> "Words":
    from titans_seq.planning.report import Words

    return Words(
        model=f"{model.depth} blocks of width {model.dim}, vocabulary {model.vocabulary:,}",
        unit="token",
        rows=f"{budget.rows} segments of {budget.length:,} tokens",
        goal=f"{budget.tokens / 1e9:,.4g} billion tokens",
        steps=budget.tokens / budget.step,
    )

"""Where the time of a block goes, forward and backward, part by part.

python -m benchmarks.profile_block                        # an LMM and a MAG block at 4,096 tokens
python -m benchmarks.profile_block --only mag --length 512 --out /tmp/profile.json
"""

import bisect
import contextlib
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import torch
import tyro
from rich.console import Console
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.provenance import provenance, results_on
from benchmarks.results_file import write_json
from titans_seq.blocks import Block, LMMConfig, MAGConfig
from titans_seq.layers import (
    AttentionConfig,
    CausalAttention,
    CausalConvolution,
    NeuralMemoryConfig,
    RMSNorm,
    SwiGLU,
    neural_memory,
)
from titans_seq.layers.gates import MemoryGates
from titans_seq.memory import MemoryRule, MLPMemory

RESULTS = Path(__file__).parent / "results" / "profile_block.json"

Name = Literal["lmm", "mag"]
Dtype = Literal["float32", "bfloat16"]
REST = "the rest"
PARTS = ("memory scan", "projections", "convolution", "norms", "gates", "attention", "feed-forward", REST)
_SCOPE = "part: "
_NODE = "autograd::engine::evaluate_function"

PROTOCOL = " ".join(
    """
    torch.profiler's time of each operator, its own Python included, goes to the part of
    the block that called it, and in the backward pass to the part whose forward made the node; each part's median over
    rounds. Those times are elapsed ones, so that on a shared machine only their shares mean something, and the profiler
    slows small operators down more than large ones. What a pass takes without it is a median: on a CPU of CPU time on
    one thread, else of elapsed time.
    Projections: all linear maps but those of the gates and the feed-forward. The rest: SiLU, lengths of keys and
    queries, output gate, fusion, sums, and the adding up of gradients.
    """.split()
)


@dataclass(frozen=True)
class Size:
    """What is profiled: a block's sizes, and what it reads.

    Attributes:
        dim: width.
        heads: of the memory, and of attention.
        chunk_size: of the memory.
        expansion: hidden width of the memory over that of a head.
        window: of attention.
        persistent_tokens: of attention.
        batch: sequences.
        length: tokens of each.
    """

    dim: int = 256
    heads: int = 4
    chunk_size: int = 64
    expansion: float = 4.0
    window: int = 512
    persistent_tokens: int = 4
    batch: int = 1
    length: int = 4096


def build(name: Name, size: Size) -> Block:
    """Make a block with the project's default memory, but for its hidden width."""
    torch.manual_seed(0)
    rule = MemoryRule(MLPMemory(expansion=size.expansion))
    memory = NeuralMemoryConfig(heads=size.heads, chunk_size=size.chunk_size, rule=rule)
    if name == "lmm":
        return LMMConfig(memory).build(size.dim)
    attention = AttentionConfig(size.heads, size.window, size.persistent_tokens)
    return MAGConfig(attention, memory).build(size.dim)


@contextlib.contextmanager
def scopes(block: nn.Module) -> Iterator[None]:
    """Give what a block's parts do a name in the profile."""
    names = {RMSNorm: "norms", MemoryGates: "gates", CausalConvolution: "convolution", CausalAttention: "attention"}
    names |= {SwiGLU: "feed-forward", nn.Linear: "projections"}
    whole = [m for m in block.modules() if isinstance(m, MemoryGates | SwiGLU)]  # their linear maps are theirs
    inside = {child for m in whole for child in m.modules() if child is not m}
    handles, opened = [], []

    def enter(module: nn.Module, _: Any) -> None:
        opened.append(record_function(_SCOPE + names[type(module)]))
        opened[-1].__enter__()

    def leave(*_: Any) -> None:
        opened.pop().__exit__(None, None, None)

    for module in block.modules():
        if type(module) in names and module not in inside:
            handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    with mock.patch.object(neural_memory, "memory_scan", _scoped(neural_memory.memory_scan, "memory scan")):
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _scoped(function: Callable, part: str) -> Callable:
    def scoped(*arguments: Any, **named: Any) -> Any:
        with record_function(_SCOPE + part):
            return function(*arguments, **named)

    return scoped


def train(block: Block, x: Tensor, dtype: Dtype = "float32") -> None:
    """Run one forward and backward pass, to the input and the parameters."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
        y, _ = block(x, None, return_state=False)
    y.float().square().mean().backward()
    for tensor in (x, *block.parameters()):
        tensor.grad = None


def times(events: Iterable[Any], device: str) -> dict[str, dict[str, float]]:
    """Return milliseconds of each part and pass, from one profiled pass's events.

    A node of the backward pass has the number that was next when its forward operator began, so that it belongs to the
    part of the last operator with a number not above its own.
    """
    events = list(events)
    found = {part: {"forward": 0.0, "backward": 0.0} for part in PARTS}
    numbered = sorted(
        (event.sequence_nr, event.time_range.start, _owner(event)[1])
        for event in events
        if event.sequence_nr >= 0 and not _owner(event)[0]
    )
    numbers = [number for number, _, _ in numbered]
    for event in events:
        if event.device_type.name != "CPU":
            continue  # a kernel's own event: the operator that launched it has its time
        node, part = _owner(event)
        if node is not None:
            at = bisect.bisect_right(numbers, node.sequence_nr)
            known = at and node.sequence_nr <= numbers[-1]  # the adding up of gradients has no number
            part = numbered[at - 1][2] if known else REST
        spent = event.self_cpu_time_total if device == "cpu" else event.self_device_time_total
        found[part]["backward" if node is not None else "forward"] += spent / 1e3
    return found


def _owner(event: Any) -> tuple[Any, str]:
    """Return the backward node that an event is of, if any, and the part that it is named by."""
    while event is not None:
        if event.name.startswith(_NODE):
            return event, REST
        if event.name.startswith(_SCOPE):
            return None, event.name.removeprefix(_SCOPE)
        event = event.cpu_parent
    return None, REST


def measure(name: Name, size: Size, device: str, dtype: Dtype, rounds: int) -> dict:
    """Return a row of the results: milliseconds by part, and of both passes without the profiler."""
    block = build(name, size).to(device)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(size.batch, size.length, size.dim, generator=generator).to(device).requires_grad_()
    train(block, x, dtype)
    whole, profiled = [], []
    for _ in range(rounds):
        whole.append(seconds_of(lambda: train(block, x, dtype), device))
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device != "cpu" else [])]
        with scopes(block), profile(activities=activities) as profiler:
            train(block, x, dtype)
        profiled.append(times(profiler.events() or [], device))
    parts = {
        part: {which: statistics.median(found[part][which] for found in profiled) for which in ("forward", "backward")}
        for part in PARTS
    }
    parts = {part: spent for part, spent in parts.items() if any(spent.values())}
    row = {"block": name, "size": asdict(size), "device": device, "dtype": dtype}
    return row | {"ms": 1e3 * statistics.median(whole), "parts": parts}


def seconds_of(call: Callable[[], None], device: str = "cpu") -> float:
    """Return CPU seconds of a call; elapsed seconds on another device."""
    if device == "cpu":
        start = time.process_time()
        call()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def table(rows: Sequence[dict]) -> str:
    """One line a part, two columns a block: the share of the block's time."""
    heads = [f"{row['block'].upper()}, {which}" for row in rows for which in ("forward", "backward")]
    lines = [f"| part | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    totals = [sum(sum(spent.values()) for spent in row["parts"].values()) for row in rows]
    for part in PARTS:
        cells = []
        for row, total in zip(rows, totals, strict=True):
            spent = row["parts"].get(part)
            for which in ("forward", "backward"):
                cells.append("-" if spent is None else f"{spent[which] / total:.1%}")
        lines.append(f"| {part} | {' | '.join(cells)} |")
    size, device = rows[0]["size"], rows[0]["device"]
    whole = ", ".join(f"{row['block'].upper()} {row['ms']:,.0f} ms" for row in rows)
    loads = [f"{row['measured']['load_average'][0]:.1f}" for row in rows if "measured" in row]
    dates = sorted({row["measured"]["date"][:10] for row in rows if "measured" in row})
    said = (
        f"Forward and backward on {device}, {rows[0]['dtype']}. Width {size['dim']}, {size['heads']} heads, "
        f"chunks of {size['chunk_size']}, expansion {size['expansion']:g}, windows of {size['window']}, "
        f"{size['batch']} x {size['length']:,} tokens. "
        f"Without the profiler: {whole}. {PROTOCOL}"
    )
    if dates:
        said += f" Measured {' to '.join(dates)}, at a load of {', '.join(loads)} on the machine."
    return "\n".join([*lines, "", said])


def main(
    size: Size = Size(),  # noqa: B008 - frozen
    only: tuple[Name, ...] = ("lmm", "mag"),
    device: str = "cpu",
    dtype: Dtype = "float32",
    rounds: int = 5,
    out: Path | None = None,
) -> None:
    """Profile blocks and print where their time goes.

    Args:
        size: of the blocks and of what they read.
        only: which blocks.
        device: "cpu" or "cuda".
        dtype: what autocast multiplies in.
        rounds: passes, of which the medians are kept.
        out: results file, written anew; by default one of this folder's results, apart for each kind of device.
    """
    if device != "cpu" and not torch.cuda.is_available():
        raise SystemExit(f"error: device {device!r} needs a GPU, and torch finds none: use --device cpu")
    torch.set_num_threads(1)
    rows = [measure(name, size, device, dtype, rounds) | {"measured": provenance()} for name in only]
    write_json(out or results_on(RESULTS, device), {"protocol": PROTOCOL, "rows": rows})
    Console(width=140).print(table(rows), highlight=False)


if __name__ == "__main__":
    tyro.cli(main)

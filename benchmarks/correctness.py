"""The check before any timing: our chunked operator against the definition, in float64."""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.contenders import Contender, rule_of
from titans_seq.memory import MemoryState, initial_weights
from titans_seq.ops import memory_scan

TOLERANCE = 1e-10
_BATCH, _HEADS, _WIDTH = 2, 2, 6


def _run(contender: Contender, backend: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    rule, chunk = rule_of(contender), contender.chunk
    shape = (_BATCH, 2 * chunk + 3, _HEADS)

    def draw(*tail: int, normal: bool) -> Tensor:
        make = torch.randn if normal else torch.rand
        return make(*shape, *tail, generator=generator, dtype=torch.float64)

    q, k = (F.normalize(draw(_WIDTH, normal=True), dim=-1) for _ in range(2))
    v, momentum, decay = draw(_WIDTH, normal=True), 0.9 * draw(normal=False), 0.1 * draw(normal=False)
    lr = draw(normal=False) * (1 - momentum) / chunk
    weights = [w.double() for w in initial_weights(rule.architecture, _HEADS, _WIDTH, _WIDTH, generator)]
    inputs = {"q": q, "k": k, "v": v, "lr": lr, "momentum": momentum, "decay": decay}
    inputs |= {f"weight {layer}": w for layer, w in enumerate(weights)}
    inputs = {name: x.detach().requires_grad_() for name, x in inputs.items()}
    y, state = memory_scan(
        *(inputs[name] for name in "qkv"),
        **{name: inputs[name] for name in ("lr", "momentum", "decay")},
        state=MemoryState.initial([inputs[f"weight {layer}"] for layer in range(len(weights))]),
        rule=rule,
        chunk_size=chunk,
        backend=backend,
    )
    assert state is not None
    results = {"output": y}
    results |= {f"state weight {layer}": w for layer, w in enumerate(state.weights)}
    results |= {f"state momentum {layer}": m for layer, m in enumerate(state.momentum)}
    sum(x.square().sum() for x in results.values()).backward()
    return results | {f"gradient of {name}": x.grad for name, x in inputs.items()}


def check(contenders: list[Contender]) -> list[dict]:
    """Compare outputs, final states and every gradient, for every distinct memory and chunk length.

    Returns:
        A row per case: the case, the largest difference over the largest entry of the tensor, and that tensor's name.

    Raises:
        ArithmeticError: if a difference exceeds `TOLERANCE`.
    """
    cases = sorted({(c.depth, c.expansion, c.chunk) for c in contenders})
    rows = []
    for depth, expansion, chunk in cases:
        case = dataclasses.replace(contenders[0], depth=depth, expansion=expansion, chunk=chunk)
        ours, definition = _run(case, "chunked"), _run(case, "reference")
        errors = {name: float((ours[name] - x).abs().max() / x.abs().max()) for name, x in definition.items()}
        worst = max(errors, key=lambda name: errors[name])
        rows.append(
            {
                "depth": depth,
                "expansion": expansion,
                "chunk": chunk,
                "relative_error": errors[worst],
                "worst": worst,
            }
        )
        if not errors[worst] <= TOLERANCE:
            raise ArithmeticError(
                f"chunked and reference differ by {errors[worst]:.1e} in {worst} (depth {depth}, expansion "
                f"{expansion}, chunk {chunk}); allowed is {TOLERANCE:.0e}; nothing was timed"
            )
    return rows

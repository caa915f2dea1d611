"""The check before any timing: our chunked operator against the definition, in float64."""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.contenders import Contender, rule_of
from titans_seq.memory import MemoryState, initial_weights
from titans_seq.ops import Backend, memory_scan

TOLERANCE = 1e-10
_BATCH, _HEADS, _WIDTH = 2, 2, 6


def _run(contender: Contender, backend: Backend) -> dict[str, Tensor]:
    """Return outputs, final state and the gradient of every input, by name."""
    generator = torch.Generator().manual_seed(0)
    rule, chunk = rule_of(contender), contender.chunk
    shape = (_BATCH, 2 * chunk + 3, _HEADS)

    def normal() -> Tensor:
        return torch.randn(*shape, _WIDTH, generator=generator, dtype=torch.float64)

    def uniform() -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    q, k = F.normalize(normal(), dim=-1), F.normalize(normal(), dim=-1)
    v, momentum, decay = normal(), 0.9 * uniform(), 0.1 * uniform()
    lr = uniform() * (1 - momentum) / chunk
    weights = initial_weights(rule.architecture, _HEADS, _WIDTH, _WIDTH, generator)
    inputs = {"q": q, "k": k, "v": v, "lr": lr, "momentum": momentum, "decay": decay}
    inputs |= {f"weight {layer}": w.double() for layer, w in enumerate(weights)}
    leaves = [x.requires_grad_() for x in inputs.values()]
    q, k, v, lr, momentum, decay, *weights = leaves
    state = MemoryState.initial(weights)
    y, state = memory_scan(
        q,
        k,
        v,
        lr=lr,
        momentum=momentum,
        decay=decay,
        state=state,
        rule=rule,
        chunk_size=chunk,
        backend=backend,
    )
    assert state is not None
    results = {"output": y}
    for layer, (w, s) in enumerate(zip(state.weights, state.momentum, strict=True)):
        results |= {f"state weight {layer}": w, f"state momentum {layer}": s}
    loss = torch.stack([x.square().sum() for x in results.values()]).sum()
    gradients = torch.autograd.grad(loss, leaves)
    results |= {f"gradient of {name}": g for name, g in zip(inputs, gradients, strict=True)}
    return {name: x.detach() for name, x in results.items()}


def check(contenders: list[Contender]) -> list[dict]:
    """Compare outputs, final states and every gradient, for every distinct memory and chunk length.

    Returns:
        A row per case: the case, the largest difference over its tensor's largest entry, and that tensor.

    Raises:
        ArithmeticError: if a difference exceeds `TOLERANCE`.
    """
    rows = []
    for depth, expansion, chunk in sorted({(c.depth, c.expansion, c.chunk) for c in contenders}):
        case = dataclasses.replace(contenders[0], depth=depth, expansion=expansion, chunk=chunk)
        ours, definition = _run(case, "chunked"), _run(case, "reference")
        errors = {name: float((ours[name] - x).abs().max() / x.abs().max()) for name, x in definition.items()}
        worst = max(errors, key=lambda name: errors[name])
        error = errors[worst]
        rows.append({"depth": depth, "expansion": expansion, "chunk": chunk, "error": error, "worst": worst})
        if not error <= TOLERANCE:
            raise ArithmeticError(
                f"chunked and reference differ by {error:.1e} in {worst} (depth {depth}, expansion "
                f"{expansion}, chunk {chunk}); allowed is {TOLERANCE:.0e}; nothing was timed"
            )
    return rows

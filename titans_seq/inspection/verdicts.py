"""Plain words for what was measured of a memory."""

from titans_seq.inspection.results import MemoryInspection, Use

UNUSED = 0.01
"""Change of the output below which it does not rest on a memory."""
MOSTLY = 0.9
"""Share of tiny writes from which on nearly nothing is written."""
COLLIDING = 0.1
"""Effective rank of the keys, over the largest there can be, below which they collide."""
FORGETFUL = 0.05
"""Half-life, over the input's length, below which a memory is a short one."""


def verdict(memory: MemoryInspection) -> str:
    """Say in one sentence whether a memory is used, and what stands out; by `UNUSED` and the other limits here.

    Args:
        memory: one layer.

    Example:
        >>> import torch
        >>> from titans_seq.blocks import LMMConfig
        >>> from titans_seq.inspection import inspect_memories
        >>> model, x = LMMConfig().build(32).eval(), torch.randn(1, 40, 32)
        >>> _ = torch.nn.init.zeros_(model.mixer.output.weight)
        >>> verdict(inspect_memories(model, lambda: model(x)[0]).memories[0])
        'UNUSED: without its read the output changes by 0.00%'
    """
    said = [_used(memory.use)]
    for remark in (_writes, _keys, _forgetting, _movement):
        if text := remark(memory):
            said.append(text)
    return "; ".join(said)


def verdict_of_all(use: Use, memories: int) -> str:
    """Say whether the memories of a model are used at all.

    Args:
        use: of all of them together.
        memories: how many there are.

    Example:
        >>> verdict_of_all(Use(off=0.5, frozen=0.2), memories=4)
        'all 4 memories together: used: without its read the output changes by 50.00%, frozen at its first weights by \
20.00%'
    """
    return f"all {memories} memories together: {_used(use)}"


def _used(use: Use) -> str:
    off, frozen = f"{use.off:.2%}", f"{use.frozen:.2%}"
    if use.off < UNUSED:
        said = f"UNUSED: without its read the output changes by {off}"
        return said + _losses(use.loss_off)
    if use.frozen < UNUSED:
        return (
            f"READ, BUT WHAT IT WRITES IS NOT USED: without its read the output changes by {off}, frozen at its first "
            f"weights by {frozen}" + _losses(use.loss_frozen)
        )
    said = f"used: without its read the output changes by {off}, frozen at its first weights by {frozen}"
    return said + _losses(use.loss_frozen)


def _losses(difference: float | None) -> str:
    if difference is None:
        return ""
    return f" (loss {difference:+.4f})"


def _writes(memory: MemoryInspection) -> str:
    if memory.tiny_writes >= MOSTLY:
        return f"{memory.tiny_writes:.0%} of its writes are tiny"
    return ""


def _keys(memory: MemoryInspection) -> str:
    rank = memory.key_rank.mean().item()
    if rank < COLLIDING * memory.key_limit:
        return f"its keys collide, with an effective rank of {rank:.1f} of {memory.key_limit}"
    return ""


def _forgetting(memory: MemoryInspection) -> str:
    length = memory.trace.lr.shape[1]
    if memory.half_life < FORGETFUL * length:
        return f"it forgets half in {memory.half_life:.1f} of {length} tokens"
    return ""


def _movement(memory: MemoryInspection) -> str:
    moved = (memory.growth.moved[:, -1] / memory.growth.norm[:, -1].clamp(min=1e-30)).mean().item()
    if moved < UNUSED:
        return f"its weights moved by {moved:.2%} of their length"
    return ""

"""What memories do while they read: how far their gates open, and how surprised they are."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from titans_seq.layers import NeuralMemory
from titans_seq.layers.row_state import check_in_step


@torch.no_grad()
def memory_statistics(model: nn.Module, run: Callable[[], Any]) -> dict[str, list[float]]:
    """Look into every memory of a model while it reads.

    Args:
        model: any module; it is left as it is.
        run: reads something with it, without gradients.

    Returns:
        For each number one value a memory, first layer first; nothing for a model without memory. `lr`, `momentum`,
        `decay` and `threshold` are means over tokens and heads of the gates that the rule reads. `surprise` is the
        mean inner loss of a token at the weights that its gradient is taken at.

    Raises:
        ValueError: if it reads packed or padded documents, or goes on from rows that are not in step.

    Example:
        >>> from titans_seq.models import CausalLM, language_model
        >>> model = CausalLM(language_model("tiny-lmm", vocabulary=10))
        >>> statistics = memory_statistics(model, lambda: model(torch.randint(10, (1, 64))))
        >>> sorted(statistics), len(statistics["surprise"])
        (['decay', 'lr', 'momentum', 'surprise'], 4)
    """
    memories = [module for module in model.modules() if isinstance(module, NeuralMemory)]
    seen: list[dict[str, list[Tensor]]] = [{} for _ in memories]

    def look(number: int, x: Tensor, state: Any = None, **others: Any) -> None:
        check_in_step(f"memory {number}", state, others)
        for name, values in memories[number].inspect(x, state).items():
            seen[number].setdefault(name, []).append(values.flatten(2).mean(-1))

    hooks = [
        memory.register_forward_pre_hook(
            lambda _, args, kwargs, number=number: look(number, *args, **kwargs), with_kwargs=True
        )
        for number, memory in enumerate(memories)
    ]
    try:
        # A compiled model would be compiled again, with the hooks in it.
        with torch.compiler.set_stance("force_eager"):
            run()
    finally:
        for hook in hooks:
            hook.remove()
    names = dict.fromkeys(name for one in seen for name in one)
    return {
        name: [torch.cat([values.flatten() for values in one[name]]).mean().item() for one in seen if name in one]
        for name in names
    }

"""The short description that lies beside saved weights."""

from typing import Any

from titans_seq.models import CausalLM

from .folder import RunConfig


def model_card(run: RunConfig, model: CausalLM, validation: dict[str, Any] | None) -> str:
    """Markdown that says what a language model is, how it was trained and how to use it.

    Args:
        run: the run.
        model: the trained model.
        validation: the last line of the log about a validation; None if there was none.
    """
    config, train = run.pretrain.model, run.pretrain
    blocks = ", ".join(type(block).__name__.removesuffix("Config") for block in config.blocks)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    score = "no validation"
    if validation is not None:
        per_byte = validation.get("bits_per_byte")
        score = f"validation loss {validation['validation_loss']:.4f} nats a token"
        score += "" if per_byte is None else f", {per_byte:.4f} bits a byte"
    state = "carried through documents" if train.batches.mode == "carry" else "new in every segment"
    return f"""# CausalLM

Predicts the next token. Trained by titans-seq {run.versions["titans-seq"]}.

- blocks: {config.depth} of {blocks}, width {config.dim}; {parameters:,} parameters
- tokenizer: {run.tokenizer.kind}, vocabulary {run.tokenizer.vocabulary:,}; its files lie here too
- training: {train.steps:,} steps of {train.batches.tokens:,} tokens, seed {train.seed}
- segments of {train.batches.length} tokens, state {state}
- {score}

It says what its training text made likely, true or not.

```python
import titans_seq
model = titans_seq.load_model("this folder")
logits, state = model(ids)           # ids: int64 [B, T]
logits, state = model(more, state)   # goes on where it was left
```
"""

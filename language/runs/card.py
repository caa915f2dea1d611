"""The short description that lies beside saved weights."""

from titans_seq.experiment.history import Row
from titans_seq.models import CausalLM

from .config import RunConfig


def model_card(run: RunConfig, model: CausalLM, score: Row) -> str:
    """Say in Markdown what a language model is, how it was trained and how to use it.

    Args:
        run: the run.
        model: the trained model.
        score: the row of the log about its last validation; without one it says so.
    """
    config, train = run.model, run.training
    blocks = ", ".join(type(block).__name__.removesuffix("Config") for block in config.blocks)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    shown = "no validation"
    if "validation_loss" in score:
        per_byte = score.get("bits_per_byte")
        shown = f"validation loss {score['validation_loss']:.4f} nats a token"
        shown += "" if per_byte is None else f", {per_byte:.4f} bits a byte"
    state = "carried through documents" if train.batches.mode == "carry" else "new in every segment"
    documents = "filled with documents" if train.batches.pack else "one document in each"
    return f"""# CausalLM

Predicts the next token. Trained by titans-seq {run.origin.versions["titans-seq"]}.

- blocks: {config.depth} of {blocks}, width {config.dim}; {parameters:,} parameters
- tokenizer: {run.tokenizer.kind}, vocabulary {run.tokenizer.vocabulary:,}; its files lie here too
- training: {train.steps:,} steps of {train.batches.tokens:,} tokens, seed {train.seed}
- segments of {train.batches.length} tokens, {documents}, state {state}
- begins with: {"random weights" if run.init is None else run.init.path}
- {shown}

It says what its training text made likely, true or not.

```python
import titans_seq
model = titans_seq.load_model("this folder")
logits, state = model(ids)           # ids: int64 [B, T]
logits, state = model(more, state)   # goes on where it was left
```
"""

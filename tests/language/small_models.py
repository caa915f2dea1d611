"""Small untrained models, in memory and as run folders."""

from pathlib import Path

import torch

from language.inference.opening import TrainedModel
from language.tokenizers import ByteTokenizer, Tokenizer
from titans_seq.blocks import LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.layers import AttentionConfig, NeuralMemoryConfig
from titans_seq.models import CausalLM, CausalLMConfig
from titans_seq.models.saving import save_model

MEMORY = NeuralMemoryConfig(heads=2, chunk_size=8, persistent_tokens=2)
ATTENTION = AttentionConfig(heads=2, window=16, persistent_tokens=2)
BLOCKS = {
    "lmm": LMMConfig(MEMORY),
    "mac": MACConfig(MEMORY, heads=2, segment=16, persistent_tokens=2),
    "mag": MAGConfig(ATTENTION, MEMORY),
    "mal": MALConfig(MEMORY, ATTENTION),
}
LENGTH = 32


def small(
    name: str = "mac", tokenizer: Tokenizer | None = None, seed: int = 0, dtype: torch.dtype = torch.float64
) -> TrainedModel:
    tokenizer = tokenizer or ByteTokenizer()
    torch.manual_seed(seed)
    model = CausalLM(CausalLMConfig(tokenizer.vocabulary, dim=16, blocks=(BLOCKS[name],), depth=2))
    return TrainedModel(model.to(dtype).eval(), tokenizer, LENGTH)


def save_run(folder: Path, trained: TrainedModel | None = None) -> Path:
    """A run folder as training leaves it, as far as using the model needs it."""
    trained = trained or small(dtype=torch.float32)
    save_model(folder / "model", trained.model, "# small", trained.tokenizer.files())
    (folder / "config.yaml").write_text(f"training:\n  batches:\n    length: {trained.length}\n")
    return folder


def direct_losses(trained: TrainedModel, text: str, before: list[int] | None = None) -> torch.Tensor:
    """The losses [T] of a text's tokens, by one call of the model from the start of a document."""
    tokens = trained.tokenizer.encode(text)
    given = torch.tensor([[trained.tokenizer.end_of_document, *(before or []), *tokens]])
    with torch.no_grad():
        logits, _ = trained.model(given[:, :-1])
    chances = logits.log_softmax(-1)[0, -len(tokens) :]
    return -chances[torch.arange(len(tokens)), torch.tensor(tokens)]

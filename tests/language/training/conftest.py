"""A small model and small documents."""

import numpy as np
import pytest

from language.data.token_shards import TokenShards
from language.training.config import BatchConfig, PretrainConfig, RecordConfig
from titans_seq.blocks import MACConfig, MAGConfig
from titans_seq.experiment.settings import OptimiserConfig
from titans_seq.layers import AttentionConfig, NeuralMemoryConfig
from titans_seq.models import CausalLMConfig

VOCABULARY, END = 13, 12
MEMORY = NeuralMemoryConfig(heads=2, chunk_size=8, persistent_tokens=2)
MODEL = CausalLMConfig(
    VOCABULARY, 16, (MACConfig(MEMORY, 2, segment=16), MAGConfig(AttentionConfig(2, 40, 2), MEMORY)), 2
)


def documents(count: int, seed: int) -> TokenShards:
    """Texts in which each token follows from the one before it, most of the time."""
    random = np.random.default_rng(seed)
    texts = []
    for length in random.integers(3, 90, size=count):
        steps = random.choice([1, 1, 1, 5], size=length)
        texts.append([*(np.cumsum(steps) % END).tolist(), END])
    return TokenShards.from_documents(texts, END)


@pytest.fixture(scope="session")
def train() -> TokenShards:
    return documents(60, seed=0)


@pytest.fixture(scope="session")
def validation() -> TokenShards:
    return documents(3, seed=1)


@pytest.fixture(scope="session")
def config() -> PretrainConfig:
    return PretrainConfig(
        steps=4,
        optimiser=OptimiserConfig(lr=3e-3, warmup=0.34),
        batches=BatchConfig(length=16, rows=2, tokens=64),
        records=RecordConfig(validate_every=3, validation_batches=2, checkpoint_every=2, log_every=2),
    )

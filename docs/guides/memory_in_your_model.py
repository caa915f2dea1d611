# %% [markdown]
# # The memory in your own model
#
# A memory layer takes `[B, T, dim]` and returns the same, and a state. It stands where attention would. This guide puts
# one into a small model, trains the model to recall, cuts a sequence anywhere, and changes the memory for another.

# %%
import torch
import torch.nn.functional as F
from torch import nn

from titans_seq import MemoryRule, NeuralMemory, NeuralMemoryConfig
from titans_seq.layers import GateConfig
from titans_seq.memory import preset

torch.manual_seed(0)

# %% [markdown]
# ## A task that asks for memory
#
# Four pairs of a name and a number come first. Then come names alone, and each asks for its number. The pairs are new
# in every sequence, so that no weight of the model can know them: only the memory can.

# %%
NAMES, PAIRS = 8, 4  # tokens 0..7 are names, 8..15 numbers


def draw(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tokens `[count, 3 PAIRS]`, and the answers to the last PAIRS of them."""
    asked = torch.stack([torch.randperm(NAMES)[:PAIRS] for _ in range(count)])
    told = NAMES + torch.randint(0, NAMES, (count, PAIRS))
    return torch.cat([torch.stack([asked, told], 2).flatten(1), asked], 1), told - NAMES


# %% [markdown]
# ## The model
#
# The layer is a mixer in a residual block, like any other. A short convolution inside the layer lets a number's token
# see the name before it. `GateConfig` says where the gates begin: here they forget next to nothing.

# %%
GATES = GateConfig(max_step=16.0, lr_bias=0.0, momentum_bias=-4.0, decay_bias=-6.0)


class Recaller(nn.Module):
    """An embedding, a memory in a residual block, and a head."""

    def __init__(self, rule: MemoryRule, dim: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(2 * NAMES, dim)
        self.norm = nn.RMSNorm(dim)
        self.memory = NeuralMemory(NeuralMemoryConfig(heads=1, chunk_size=4, rule=rule, gates=GATES), dim)
        self.head = nn.Sequential(nn.RMSNorm(dim), nn.Linear(dim, NAMES))

    def forward(self, tokens: torch.Tensor, state=None):
        """Return logits, and the state to go on from."""
        x = self.embed(tokens)
        read, state = self.memory(self.norm(x), state)
        return self.head(x + read), state


def train(rule: MemoryRule, steps: int = 150) -> tuple[Recaller, float]:
    """Train on fresh sequences; return the model, and its share of right answers on others."""
    torch.manual_seed(0)
    model = Recaller(rule)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        tokens, answers = draw(64)
        logits, _ = model(tokens)
        loss = F.cross_entropy(logits[:, -PAIRS:].flatten(0, 1), answers.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    tokens, answers = draw(512)
    with torch.no_grad():
        right = (model(tokens)[0][:, -PAIRS:].argmax(-1) == answers).float().mean()
    return model, float(right)


model, right = train(preset("gated_deltanet"))
print(f"right: {right:.0%}; by chance: {1 / NAMES:.0%}")
assert right > 0.9

# %% [markdown]
# ## Cut it anywhere
#
# The state is a value that goes in and comes out. Cut the sequence where you like, and go on with what came out.

# %%
tokens, _ = draw(2)
with torch.no_grad():
    whole, _ = model(tokens)
    first, state = model(tokens[:, :5])
    rest, state = model(tokens[:, 5:], state)
print("largest difference:", "none" if torch.allclose(torch.cat([first, rest], 1), whole, atol=1e-5) else "some")

# %% [markdown]
# ## See whether the memory is used
#
# `inspect` says what happens at each token: how far the gates are open, and how much the token surprises. A memory
# whose step `lr` is near zero everywhere is not used.

# %%
with torch.no_grad():
    seen = model.memory.inspect(model.norm(model.embed(tokens)))
places = {"names": slice(0, 8, 2), "numbers": slice(1, 8, 2), "questions": slice(8, 12)}
for place, where in places.items():
    lr, surprise = (seen[key][:, where].mean().item() for key in ("lr", "surprise"))
    print(f"{place:9}  lr {lr:.1f}  surprise {surprise:.1f}")

# %% [markdown]
# ## Take another memory
#
# The rule is the only thing that changes. [Memories](../memories.md) lists what there is, and
# [choose a memory](../choose-a-memory.md) says what to begin with.

# %%
_, right = train(preset("titans_linear"))
print(f"Titans with a matrix: {right:.0%} right")

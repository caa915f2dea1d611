# %% [markdown]
# # A small language model that remembers a book
#
# A byte model is trained on Python's own documentation for half a minute, reads a longer text in one stream, and goes
# on with it. Its state has one size, however long the text is. On the command line these are `titans lm prepare`,
# `pretrain`, `read` and `generate`.

# %%
from pathlib import Path
from pydoc_data.topics import topics

from language import LanguageModel
from language.training.config import BatchConfig, PretrainConfig
from titans_seq.experiment.settings import Hardware, OptimiserConfig

names = sorted(topics)
Path("texts").mkdir()
for name in names[::2]:
    Path("texts", f"{name}.txt").write_text(topics[name], encoding="utf-8")
Path("book.txt").write_text("\n".join(topics[name] for name in names[1:8:2]), encoding="utf-8")
print(f"{len(list(Path('texts').iterdir()))} documents to train on, and a book")

# %% [markdown]
# ## Train
#
# `tiny-lmm` is memory alone, without attention. Segments of a document follow each other in training, and the state is
# carried from one to the next.

# %%
training = PretrainConfig(
    steps=60, optimiser=OptimiserConfig(lr=3e-3, warmup=10), batches=BatchConfig(length=128, tokens=1024)
)
model = LanguageModel.fit("texts", preset="tiny-lmm", training=training, hardware=Hardware("cpu"))
print(f"{sum(p.numel() for p in model.model.parameters()):,} parameters")

# %% [markdown]
# ## Read the book
#
# Every byte is scored in one pass, with state carried from the first to the last; beside that with the state reset
# every 128 bytes. The difference is what older text was good for.

# %%
score = model.evaluate(["book.txt"])
carried, cut = score.bits_per_byte(score.carried), score.bits_per_byte(score.cut)
print(f"{score.tokens:,} bytes: {carried:.1f} bits a byte with state carried, {cut:.1f} with it reset")
assert carried < 5.0

# %% [markdown]
# So little training teaches which bytes follow which, and no more. Real figures are in
# [the results](../../benchmarks/RESULTS.md#a-whole-book-by-position): on plain text the memory brings a hundredth of a
# bit a byte. Tasks that ask for memory are another matter, as
# [trained short and tested long](../../benchmarks/RESULTS.md#memory-tasks-trained-short-and-tested-long) shows.
#
# ## Go on with it
#
# `generate` reads a prompt of any length, here the whole book, and then writes. `titans lm read` keeps what was read in
# a file, so that reading is paid for once.

# %%
text = model.generate(Path("book.txt").read_text(encoding="utf-8"), max_tokens=60, temperature=0.5, seed=1)
print("letters written:", "some" if any(map(str.isalpha, text)) else "none")
model.save("model")
print("saved:", *sorted(path.name for path in Path("model").iterdir()))

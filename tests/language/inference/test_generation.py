from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from language.inference.generation import continue_text, until_stop
from language.inference.opening import TrainedModel
from language.inference.reading import Context, read_all
from language.tokenizers import SentencePieceTokenizer, Tokenizer
from tests.language.making import train_pieces
from tests.language.small_models import BLOCKS, small
from titans_seq.models import Sampling

GREEDY = Sampling(temperature=0)


def read(trained: TrainedModel, text: str) -> Context:
    ids = trained.tokenizer.encode_array(text)
    return read_all(trained.model, Context.empty(trained.tokenizer), iter([ids]))


def direct(trained: TrainedModel, text: str, count: int) -> list[int]:
    """Greedy tokens, the whole text read again for each."""
    ids = [trained.tokenizer.end_of_document, *trained.tokenizer.encode(text)]
    for _ in range(count):
        with torch.no_grad():
            ids.append(int(trained.model(torch.tensor([ids]))[0][0, -1].argmax()))
    return ids[-count:]


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("prompt", ["", "To be", "It was the best of times, it was"])
def test_the_text_is_what_the_model_says_when_read_again(name: str, prompt: str) -> None:
    trained = small(name, seed=3)
    ids = direct(trained, prompt, 7)
    if trained.tokenizer.end_of_document in ids:
        ids = ids[: ids.index(trained.tokenizer.end_of_document)]
    pieces = continue_text(trained, read(trained, prompt), max_tokens=7, sampling=GREEDY)
    assert "".join(pieces) == trained.tokenizer.decode(ids)


def test_a_seed_gives_the_same_text_again_and_another_seed_another() -> None:
    trained = small()
    context = read(trained, "To be")
    texts = ["".join(continue_text(trained, context, max_tokens=40, sampling=Sampling(), seed=s)) for s in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


class Script(torch.nn.Module):
    """A model that says given tokens, whatever it reads."""

    def __init__(self, tokens: list[int], vocabulary: int) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(vocabulary, 1)
        self.tokens = tokens

    def forward(self, ids: torch.Tensor, state: int | None = None):
        at = state or 0
        chosen = torch.tensor([[self.tokens[at % len(self.tokens)]]])
        return torch.nn.functional.one_hot(chosen, self.embedding.num_embeddings).float(), at + 1


def scripted(text: str, tokenizer: Tokenizer, *more: int) -> TrainedModel:
    return TrainedModel(Script([*tokenizer.encode(text), *more], tokenizer.vocabulary), tokenizer)  # type: ignore[arg-type]


def test_characters_come_whole_and_the_document_ends() -> None:
    tokenizer = small().tokenizer
    trained = scripted("né 日🙂", tokenizer, tokenizer.end_of_document)
    pieces = list(continue_text(trained, Context.empty(tokenizer), max_tokens=99, sampling=GREEDY))
    assert pieces == ["n", "é", " ", "日", "🙂"]


def test_text_comes_while_it_is_drawn() -> None:
    tokenizer = small().tokenizer
    endless = continue_text(
        scripted("ab", tokenizer), Context.empty(tokenizer), max_tokens=10**12, sampling=GREEDY, stops=["x"]
    )
    assert list(islice(endless, 5)) == ["a", "b", "a", "b", "a"]


def test_at_most_so_many_tokens_and_a_broken_character_at_the_end_shows() -> None:
    tokenizer = small().tokenizer
    texts = [
        "".join(continue_text(scripted("aé", tokenizer), Context.empty(tokenizer), max_tokens=n, sampling=GREEDY))
        for n in (1, 2, 3)
    ]
    assert texts == ["a", "a\N{REPLACEMENT CHARACTER}", "aé"]


def test_the_space_before_the_first_word_is_kept(tmp_path: Path) -> None:
    tokenizer = SentencePieceTokenizer(train_pieces(tmp_path / "tokenizer.model"))
    ids = tokenizer.encode("to be or not")
    trained = TrainedModel(Script(ids[2:], tokenizer.vocabulary), tokenizer)  # type: ignore[arg-type]
    context = Context(None, ids[1], 2)
    text = "".join(continue_text(trained, context, max_tokens=len(ids) - 2, sampling=GREEDY))
    assert tokenizer.decode(ids[:2]) + text == "to be or not"


@given(
    st.text("abc", max_size=12),
    st.lists(st.text("abc", min_size=1, max_size=3), max_size=3),
    st.lists(st.integers(0, 12), max_size=6),
)
def test_a_stop_does_not_depend_on_the_pieces(text: str, stops: list[str], cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    ends = [end for end in range(len(text) + 1) if any(text[:end].endswith(stop) for stop in stops)]
    expected = text
    if ends:
        read = text[: ends[0]]
        expected = read[: -max(len(stop) for stop in stops if read.endswith(stop))]
    assert "".join(until_stop(pieces, stops)) == expected

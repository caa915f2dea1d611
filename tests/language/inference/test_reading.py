from pathlib import Path

import numpy as np
import pytest
import torch

from language.inference.opening import TrainedModel
from language.inference.reading import Context, check_finite, load_context, read_all, read_tokens, save_context
from language.inference.text import TextTokens
from language.tokenizers import ByteTokenizer, CharacterTokenizer
from tests.language.small_models import BLOCKS, direct_losses, small
from tests.tolerances import assert_close
from titans_seq.errors import UserError
from titans_seq.models import generate
from titans_seq.models.state_file import save_state

TEXT = "It was the best of times, it was the worst of times, it was the age of wisdom."


def arrays(trained: TrainedModel, *texts: str):
    return iter([trained.tokenizer.encode_array(text) for text in texts])


def losses(trained: TrainedModel, text: str, piece: int | None, before: Context | None = None) -> torch.Tensor:
    start = before or Context.empty(trained.tokenizer)
    return torch.cat([loss for _, loss in read_tokens(trained.model, start, arrays(trained, text), piece)])


@pytest.mark.parametrize("name", BLOCKS)
def test_reading_in_pieces_gives_the_losses_of_one_call(name: str) -> None:
    trained, text = small(name), TEXT[:41]
    expected = direct_losses(trained, text)
    for piece in (1, 7, 8, 16, 17, None):
        assert_close(losses(trained, text, piece), expected, 1e-10, f"pieces of {piece}")


def test_a_text_goes_on_where_another_ended() -> None:
    trained = small()
    first = read_all(trained.model, Context.empty(trained.tokenizer), arrays(trained, TEXT))
    assert (first.tokens, first.last) == (len(TEXT), ord("."))
    more = direct_losses(trained, " And so.", before=trained.tokenizer.encode(TEXT))
    assert_close(losses(trained, " And so.", 3, first), more, 1e-10)


def test_nothing_read_changes_nothing() -> None:
    trained = small()
    empty = Context.empty(trained.tokenizer)
    assert read_all(trained.model, empty, iter([])) is empty
    assert read_all(trained.model, empty, iter([np.empty(0, dtype=np.int64)])) is empty


def test_a_context_survives_its_file(tmp_path: Path) -> None:
    trained = small(dtype=torch.float32)
    read = read_all(trained.model, Context.empty(trained.tokenizer), arrays(trained, TEXT))
    save_context(read, tmp_path / "m.safetensors", trained)
    back = load_context(tmp_path / "m.safetensors", trained)
    assert (back.tokens, back.last) == (read.tokens, read.last)
    assert torch.equal(losses(trained, " More", None, read), losses(trained, " More", None, back))


def test_nothing_is_no_memory_to_save(tmp_path: Path) -> None:
    trained = small()
    with pytest.raises(ValueError, match="nothing was read"):
        save_context(Context.empty(trained.tokenizer), tmp_path / "m.safetensors", trained)


def broken(at: str) -> TrainedModel:
    """A model that is lost at a character."""
    trained = small("lmm")
    with torch.no_grad():
        trained.model.embedding.weight[ord(at)] = torch.nan
    return trained


def test_a_text_on_which_the_memory_is_lost_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("abc")
    trained = broken("c")
    with pytest.raises(UserError, match=r"a\.txt: the loss of token 0 is not finite: the model's memory .*max_step"):
        read_all(trained.model, Context.empty(trained.tokenizer), TextTokens(path, trained.tokenizer))


def test_a_state_that_is_lost_is_refused_though_no_loss_is() -> None:
    trained = small("lmm")
    state = read_all(trained.model, Context.empty(trained.tokenizer), arrays(trained, TEXT)).state
    assert state is not None
    check_finite("a.txt", 0, torch.ones(5), state)
    with pytest.raises(UserError, match="the loss of token 102 is not finite"):
        check_finite("", 100, torch.tensor([1.0, 2.0, torch.inf]), state)
    with pytest.raises(UserError, match=r"a\.txt: the memory after token 4 is not finite"):
        check_finite("a.txt", 0, torch.ones(5), state.map(lambda x: x * torch.inf))


def test_nothing_is_drawn_from_what_is_not_finite() -> None:
    trained = broken("c")
    with pytest.raises(UserError, match="the logits of the next token are not finite"):
        next(generate(trained.model, torch.tensor([[ord("c")]])))


def test_a_memory_of_other_tokens_or_of_no_text_is_refused(tmp_path: Path) -> None:
    letters = CharacterTokenizer("".join(map(chr, range(256))))
    trained = small()
    read = read_all(trained.model, Context.empty(trained.tokenizer), arrays(trained, TEXT))
    assert letters.vocabulary == ByteTokenizer().vocabulary
    save_context(read, tmp_path / "m.safetensors", trained)
    with pytest.raises(UserError, match=r"m\.safetensors: a memory of text in other tokens \(bytes\)"):
        load_context(tmp_path / "m.safetensors", TrainedModel(trained.model, letters))
    assert read.state is not None
    save_state(read.state, tmp_path / "s.safetensors", model=trained.model)
    with pytest.raises(UserError, match="no memory of a text that --save-memory wrote"):
        load_context(tmp_path / "s.safetensors", trained)

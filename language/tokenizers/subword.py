"""Tokenizers from files of two well-known libraries, which are loaded when one is made."""

from pathlib import Path

import numpy as np

from titans_seq.errors import UserError

from ..optional import load_optional
from .base import Tokenizer

END_TOKENS = ("</s>", "<|endoftext|>", "<|end_of_text|>", "<eos>", "[EOS]")
"""Names under which tokenizer files have their end of document; the first that a file has is taken."""


class SentencePieceTokenizer(Tokenizer):
    """Tokenize by a SentencePiece model file, such as those of Llama 2 and Mistral.

    The end of a document is the model's `</s>` (its `eos_id`); a model without one gets one id more.

    Args:
        path: the `.model` file.

    Raises:
        UserError: if the file is missing or not such a model, or `sentencepiece` is not installed.

    Example:
        >>> SentencePieceTokenizer("/no/such/tokenizer.model")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: /no/such/tokenizer.model: no such file: check the path of the tokenizer
    """

    kind = "sentencepiece"
    file = "tokenizer.model"

    def __init__(self, path: str | Path) -> None:
        content = read_tokenizer_file(path)
        library = load_optional("sentencepiece", "a SentencePiece model")
        self._model = library.SentencePieceProcessor()
        try:
            self._model.LoadFromSerializedProto(content)
        except RuntimeError as error:
            raise UserError(
                f"{path}: not a SentencePiece model: expected the .model file that SentencePiece writes"
            ) from error
        pieces, end = self._model.vocab_size(), self._model.eos_id()
        super().__init__(pieces if end >= 0 else pieces + 1, end if end >= 0 else pieces, content)

    def _encode(self, text: str) -> np.ndarray:
        return np.asarray(self._model.encode(text), dtype=np.int64)

    def _decode(self, ids: list[int]) -> str:
        return self._model.decode(ids)


class JSONTokenizer(Tokenizer):
    """Tokenize by a Hugging Face `tokenizer.json`.

    The end of a document is the first of `END_TOKENS` that the file has as a special token; a file with none of them
    gets one id more. Special tokens that are written out in a text are text; where the model itself holds the end of a
    document as a word, a text with it is refused. Nothing is added at a text's ends, cut or
    padded, whatever the file asks for.

    Args:
        path: the `.json` file.

    Raises:
        UserError: if the file is missing or not such a tokenizer, or `tokenizers` is not installed.

    Example:
        >>> JSONTokenizer("/no/such/tokenizer.json")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: /no/such/tokenizer.json: no such file: check the path of the tokenizer
    """

    kind = "json"
    file = "tokenizer.json"

    def __init__(self, path: str | Path) -> None:
        content = read_tokenizer_file(path)
        library = load_optional("tokenizers", "a tokenizer.json")
        try:
            self._tokenizer = library.Tokenizer.from_str(content.decode())
        except Exception as error:  # the library raises no narrower class
            raise UserError(
                f"{path}: not a Hugging Face tokenizer ({error}): expected the tokenizer.json of a model, "
                "not its vocab.json or tokenizer_config.json"
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        special = {
            token.content: number
            for number, token in self._tokenizer.get_added_tokens_decoder().items()
            if token.special
        }
        # Ids may have gaps, so their number is not the size of the vocabulary.
        size = 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
        end = next((special[name] for name in END_TOKENS if name in special), None)
        super().__init__(size if end is not None else size + 1, size if end is None else end, content)
        name = self._tokenizer.id_to_token(self.end_of_document)
        # Models such as Unigram and WordLevel know special tokens as words of theirs.
        self._matched = (
            name if name and any(end in self._ids(text) for text in (name, f"a{name}b", f" {name} ")) else None
        )

    def _encode(self, text: str) -> np.ndarray:
        ids = self._ids(text)
        if self._matched is not None and (ids == self.end_of_document).any():
            raise UserError(
                f"the text holds {self._matched!r} written out, which this tokenizer takes for the end of a document: "
                "remove it from the text, or take a tokenizer whose model does not hold it (BPE)"
            )
        return ids

    def _ids(self, text: str) -> np.ndarray:
        return np.asarray(self._tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int64)

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True)


def read_tokenizer_file(path: str | Path) -> bytes:
    """Return the bytes of a tokenizer file.

    Raises:
        UserError: if there is no such file.
    """
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"{path}: no such file: check the path of the tokenizer") from error

"""One call from a name, a file or a folder to a tokenizer."""

import os
from pathlib import Path

from titans_seq.config import from_yaml
from titans_seq.errors import UserError
from titans_seq.files import read_text

from .base import INFO, Tokenizer, TokenizerInfo
from .plain import ByteTokenizer, CharacterTokenizer
from .subword import JSONTokenizer, SentencePieceTokenizer, read_tokenizer_file

_KINDS = {cls.kind: cls for cls in (ByteTokenizer, CharacterTokenizer, SentencePieceTokenizer, JSONTokenizer)}


def load_tokenizer(spec: str | os.PathLike[str]) -> Tokenizer:
    """Make the tokenizer that a name, a file or a folder stands for.

    Args:
        spec: "bytes"; a SentencePiece `.model`; a Hugging Face `tokenizer.json`; a saved `characters.json`; or a
            folder that holds a saved tokenizer, such as a model's or that of token shards.

    Raises:
        UserError: if it is none of these, a file is damaged, or a package that it needs is not installed.

    Example:
        >>> load_tokenizer("bytes").vocabulary
        257
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     CharacterTokenizer("abc").save(folder)
        ...     load_tokenizer(folder).encode("cab")
        [2, 0, 1]
    """
    if spec == ByteTokenizer.kind:
        return ByteTokenizer()
    path = Path(spec)
    if path.is_dir():
        return _load_folder(path)
    if path.name == CharacterTokenizer.file:
        return _load_file(CharacterTokenizer.kind, path)
    if path.suffix == ".model":
        return _load_file(SentencePieceTokenizer.kind, path)
    if path.suffix == ".json":
        return _load_file(JSONTokenizer.kind, path)
    raise UserError(
        f"unknown tokenizer '{spec}': expected bytes, a SentencePiece .model file, a Hugging Face tokenizer.json, "
        f"a {CharacterTokenizer.file}, or a folder that holds one"
    )


def _load_file(kind: str, path: Path) -> Tokenizer:
    if kind == CharacterTokenizer.kind:
        return CharacterTokenizer.from_json(read_tokenizer_file(path), str(path))
    return SentencePieceTokenizer(path) if kind == SentencePieceTokenizer.kind else JSONTokenizer(path)


def _load_folder(folder: Path) -> Tokenizer:
    path = folder / INFO
    if not path.is_file():
        raise UserError(f"{folder} holds no saved tokenizer: it has no {INFO}; check the path, or give a file")
    saved = from_yaml(read_text(path), TokenizerInfo, str(path))
    if saved.kind not in _KINDS:
        raise UserError(f"{path}: unknown kind '{saved.kind}': expected one of {', '.join(_KINDS)}")
    if saved.kind == ByteTokenizer.kind:
        return ByteTokenizer()
    own = folder / _KINDS[saved.kind].file
    tokenizer = _load_file(saved.kind, own)
    if tokenizer.info != saved:
        raise UserError(
            f"{own}: not the file that was saved (sha256 {tokenizer.info.sha256}, expected {saved.sha256}): "
            "another tokenizer gives other ids; restore the file"
        )
    return tokenizer

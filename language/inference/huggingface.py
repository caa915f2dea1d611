"""A trained model as a Hugging Face folder, and back. Needs the extra `hf`."""

import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from titans_seq.checkpoint import check_replaceable
from titans_seq.errors import UserError
from titans_seq.files import atomic_folder
from titans_seq.models import save_model

from ..optional import load_optional
from ..tokenizers import (
    ByteTokenizer,
    CharacterTokenizer,
    JSONTokenizer,
    SentencePieceTokenizer,
    Tokenizer,
    load_tokenizer,
)
from .opening import TrainedModel

OWN_TOKENIZER = "titans_tokenizer"
"""Folder, in an exported folder, with the tokenizer as it was."""

_END = "<|endoftext|>"
_SAMPLE = "To be,  or not\n\tto be? Naïve 漢字 😀 x = [0.5]"


def export_to_hf(trained: TrainedModel, folder: str | os.PathLike[str]) -> None:
    """Write a model and its tokenizer as a folder that `AutoModelForCausalLM` and `AutoTokenizer` load.

    Whoever loads it imports `titans_seq.hf` first; no code lies in the folder. A text begins with the token that ends
    a document, as in training and in all commands here: the tokenizer puts it in front by itself.

    Args:
        trained: the model and its tokenizer.
        folder: where; new or empty.

    Raises:
        UserError: if transformers is missing, the folder holds something, or the tokenizer has no equal there.
    """
    transformers = load_optional("transformers", "a Hugging Face folder", extra="hf")
    from titans_seq.hf import TitansForCausalLM

    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"cannot export to {target}: it exists and is not empty: give the name of a new folder")
    tokenizer, end = _fast_tokenizer(trained.tokenizer), trained.tokenizer.end_of_document
    token = tokenizer.id_to_token(end)
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=token,
        eos_token=token,
        pad_token=token,
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,
        padding_side="left",
    )
    special = {name: end for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    try:
        with atomic_folder(target) as temporary:
            wrapped.save_pretrained(temporary)
            TitansForCausalLM.of(trained.model, **special).save_pretrained(temporary)
            (temporary / OWN_TOKENIZER).mkdir()
            trained.tokenizer.save(temporary / OWN_TOKENIZER)
    except SafetensorError as error:
        raise UserError(f"cannot export to {target}: {error}") from error


def import_from_hf(source: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
    """Write an exported folder, trained on or not, as a model's own folder, which every `titans lm` command takes.

    Args:
        source: what `export_to_hf` wrote, or transformers since.
        folder: where.

    Raises:
        UserError: if transformers is missing, there is no such model, its tokenizer is gone, or the folder holds
            something else.
    """
    load_optional("transformers", "a Hugging Face folder", extra="hf")
    from titans_seq.hf import TitansForCausalLM

    origin = Path(source)
    check_replaceable(folder)
    try:
        config = json.loads((origin / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{origin}: no Hugging Face folder ({error}): check the path") from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind != "titans":
        raise UserError(f"{origin}: a model of type {kind!r}, expected 'titans'")
    tokenizer = _own_tokenizer(origin)
    try:
        model = TitansForCausalLM.from_pretrained(origin).model
    except (OSError, SafetensorError) as error:
        raise UserError(f"{origin}: weights are missing or damaged ({error}): restore the folder") from error
    if model.config.vocabulary != tokenizer.vocabulary:
        raise UserError(
            f"{origin}: the model has {model.config.vocabulary:,} tokens and its tokenizer {tokenizer.vocabulary:,}: "
            "they do not belong together"
        )
    save_model(folder, model, f"# CausalLM\n\nFrom the Hugging Face folder {origin.name}.\n", tokenizer.files())


def _own_tokenizer(origin: Path) -> Tokenizer:
    if (origin / OWN_TOKENIZER).is_dir():
        return load_tokenizer(origin / OWN_TOKENIZER)
    if (origin / JSONTokenizer.file).is_file():
        return load_tokenizer(origin / JSONTokenizer.file)
    raise UserError(f"{origin}: no tokenizer: expected the folder {OWN_TOKENIZER} or a {JSONTokenizer.file}")


def _fast_tokenizer(tokenizer: Tokenizer) -> Any:
    """Make the same tokens with the `tokenizers` library."""
    library = load_optional("tokenizers", "a Hugging Face folder", extra="hf")
    if isinstance(tokenizer, ByteTokenizer):
        made = _of_bytes(library)
    elif isinstance(tokenizer, CharacterTokenizer):
        made = _of_characters(library, tokenizer.characters)
    elif isinstance(tokenizer, SentencePieceTokenizer):
        made = _of_pieces(library, tokenizer.files()[SentencePieceTokenizer.file])
    else:
        made = library.Tokenizer.from_str(tokenizer.files()[JSONTokenizer.file].decode())
        made.no_truncation()
        made.no_padding()
    end = tokenizer.end_of_document
    if made.id_to_token(end) is None:
        made.add_special_tokens([library.AddedToken(_END, special=True)])
    sample = tokenizer.characters if isinstance(tokenizer, CharacterTokenizer) else _SAMPLE
    made.encode_special_tokens = True
    if (token := made.id_to_token(end)) is not None:
        # In place of what a file adds that training had not.
        first = library.processors.TemplateProcessing(single=f"{token} $A", special_tokens=[(token, end)])
        made.post_processor = first
    if token is None or made.encode(sample).ids != [end, *tokenizer.encode(sample)]:
        raise UserError("the tokenizer gives other tokens in transformers than here: it cannot be exported")
    return made


def _of_bytes(library: Any) -> Any:
    """Byte-level BPE that merges nothing."""
    names = library.pre_tokenizers.ByteLevel.alphabet()
    plain = [name for name in names if ord(name) < 256]
    # GPT-2's table: bytes that print stand for themselves, the others follow from U+0100 in their order.
    others = [byte for byte in range(256) if chr(byte) not in plain]
    vocabulary = {name: ord(name) for name in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}
    made = library.Tokenizer(library.models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = library.decoders.ByteLevel()
    return made


def _of_pieces(library: Any, content: bytes) -> Any:
    """What transformers makes of a SentencePiece model of byte pairs."""
    load_optional("google.protobuf", "a SentencePiece model in a Hugging Face folder", extra="hf")
    description = load_optional("sentencepiece.sentencepiece_model_pb2", "a SentencePiece model").ModelProto()
    description.ParseFromString(content)
    if description.trainer_spec.model_type != description.trainer_spec.BPE:
        raise UserError(
            "a SentencePiece model that is not of type bpe reads '</s>' in a text as its end in transformers: use "
            "the run with titans lm, or train on bytes, a tokenizer.json or a SentencePiece model of type bpe"
        )
    vocabulary = {piece.piece: number for number, piece in enumerate(description.pieces)}
    converter = load_optional("transformers.convert_slow_tokenizer", "a Hugging Face folder", extra="hf").SpmConverter
    made = converter.build_tokenizer_from_spm_proto(description, vocabulary)
    control = [piece.piece for piece in description.pieces if piece.type == piece.CONTROL]
    made.add_special_tokens([library.AddedToken(name, normalized=False, special=True) for name in control])
    return made


def _of_characters(library: Any, characters: str) -> Any:
    """One word a character; one that is not known is refused, as here."""
    vocabulary = {character: number for number, character in enumerate(characters)}
    made = library.Tokenizer(library.models.WordLevel(vocab=vocabulary, unk_token="[no such character]"))
    made.pre_tokenizer = library.pre_tokenizers.Split(library.Regex(r"[\s\S]"), "isolated")
    made.decoder = library.decoders.Fuse()
    return made

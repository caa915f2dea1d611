import os
from pathlib import Path

import numpy as np
import pytest

from language.data.shards import prepare
from language.data.token_shards import TokenShards
from language.tokenizers import ByteTokenizer
from tests.language.making import write_lines
from titans_seq.errors import UserError

TEXTS = ["one", "two and more", "3", "the fourth", "five", "6"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six documents in several shards."""
    lines = write_lines(tmp_path / "corpus.jsonl", TEXTS)
    prepare([lines], ByteTokenizer(), tmp_path / "out", shard_tokens=10)
    return tmp_path / "out"


def test_documents_are_found_across_shards(folder: Path) -> None:
    shards = TokenShards.open(folder)
    assert len(list(folder.glob("train-*.bin"))) == 3
    assert [bytes(shards[n][:-1].tolist()).decode() for n in (5, 0, 3, 1, 4, 2)] == [
        TEXTS[n] for n in (5, 0, 3, 1, 4, 2)
    ]
    assert shards.lengths.tolist() == [len(text) + 1 for text in TEXTS]
    assert shards.tokens == sum(map(len, TEXTS)) + 6
    assert shards.end_of_document == 256


def test_a_document_is_a_slice_of_the_file(folder: Path) -> None:
    document = TokenShards.open(folder)[1]
    assert isinstance(document, np.memmap)
    assert document.dtype == np.uint16
    assert not document.flags.writeable


@pytest.mark.parametrize("document", [-1, 6])
def test_a_number_beyond_the_documents_is_refused(folder: Path, document: int) -> None:
    with pytest.raises(IndexError, match=f"document {document} of 6"):
        TokenShards.open(folder)[document]


def test_the_fingerprint_is_that_of_the_tokens(folder: Path, tmp_path: Path) -> None:
    fingerprint = TokenShards.open(folder).fingerprint
    lines = write_lines(tmp_path / "copy.jsonl", TEXTS)
    prepare([lines], ByteTokenizer(), tmp_path / "same", shard_tokens=10)
    write_lines(lines, ["One", *TEXTS[1:]])
    prepare([lines], ByteTokenizer(), tmp_path / "other", shard_tokens=10)
    assert TokenShards.open(tmp_path / "same").fingerprint == fingerprint
    assert TokenShards.open(tmp_path / "other").fingerprint != fingerprint


def test_what_is_no_folder_of_shards_is_refused(tmp_path: Path, folder: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", tmp_path / "corpus.jsonl"):
        with pytest.raises(UserError, match=r"holds no token shards: it has no manifest\.json"):
            TokenShards.open(path)
    with pytest.raises(UserError, match="unknown split 'test': expected one of train, validation"):
        TokenShards.open(folder, "test")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match="out has no validation split"):
        TokenShards.open(folder, "validation")


@pytest.mark.parametrize("name", ["train-00001.bin", "train-00001.ends.npy"])
def test_a_missing_or_damaged_file_is_named(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-2])
    with pytest.raises(UserError, match=f"{name}: damaged"):
        TokenShards.open(folder)
    (folder / name).write_bytes(b"")
    with pytest.raises(UserError, match=f"{name}: damaged"):
        TokenShards.open(folder)
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"{name}: missing: restore it, or prepare the shards again"):
        TokenShards.open(folder)


def test_tokens_that_were_changed_are_refused(folder: Path) -> None:
    file = folder / "train-00000.bin"
    tokens, later = np.fromfile(file, "<u2"), (folder / "manifest.json").stat().st_mtime + 5
    os.utime(file, (later, later))  # copied, say
    assert len(TokenShards.open(folder))
    tokens[::-1].tofile(file)
    os.utime(file, (later, later))
    with pytest.raises(UserError, match=r"train-00000\.bin: its tokens are not those that were prepared"):
        TokenShards.open(folder)


@pytest.mark.parametrize("ends", [[20, 17], [4, 16], [17, 17], [17]])
def test_ends_that_do_not_fit_are_refused(folder: Path, ends: list[int]) -> None:
    np.save(folder / "train-00000.ends.npy", np.array(ends))
    with pytest.raises(UserError, match=r"train-00000\.ends\.npy: damaged, it does not fit train-00000\.bin"):
        TokenShards.open(folder)


def test_documents_in_memory() -> None:
    shards = TokenShards.from_documents([[1, 2, 9], np.array([9], np.uint16)], end_of_document=9)
    assert [shards[n].tolist() for n in (0, 1)] == [[1, 2, 9], [9]]
    assert len(TokenShards.from_documents([], end_of_document=9)) == 0
    with pytest.raises(UserError, match="document 1 has no token: expected at least one; leave it out"):
        TokenShards.from_documents([[1], []], end_of_document=9)

"""A `prepare` that was stopped, and folders that already hold shards."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from language.data import shards as shards_module
from language.data.manifest import MANIFEST, Manifest, read_manifest
from language.data.shards import prepare
from language.tokenizers import ByteTokenizer, CharacterTokenizer, Tokenizer
from tests.forked import ended, forked
from tests.language.making import TEXTS, contents, decoded, write_lines
from titans_seq.errors import UserError

BYTES = ByteTokenizer()


def prepare_small(lines: Path, out: Path) -> Manifest:
    return prepare([lines], BYTES, out, validation=0.3, shard_tokens=150)


def test_from_every_write_that_may_fail(lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_small(lines, tmp_path / "whole")
    expected = contents(tmp_path / "whole")
    replace, left = os.replace, 0

    def fail_when_none_is_left(source: Path, target: Path) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_when_none_is_left)
    writes = 0
    while True:
        out, left = tmp_path / f"out{writes}", writes
        try:
            prepare_small(lines, out)
            break
        except OSError:
            left, writes = 1000, writes + 1
        prepare_small(lines, out)
        assert contents(out) == expected
    assert contents(out) == expected
    assert writes > 20


def test_from_a_kill(lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_small(lines, tmp_path / "whole")
    out, add = tmp_path / "out", shards_module._add

    def slowly(*arguments: Any) -> Any:
        time.sleep(0.02)
        return add(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(shards_module, "_add", slowly)
        process = forked(lambda: prepare_small(lines, out) and None)
    deadline = time.monotonic() + 60
    while not (out / "train-00001.bin").exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    assert ended(process) == -signal.SIGKILL
    written = read_manifest(out)
    assert written.shards
    assert not written.complete
    prepare_small(lines, out)
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize("complete", [True, False])
def test_damaged_shards_are_not_taken_for_what_is_there(lines: Path, tmp_path: Path, complete: bool) -> None:
    out = tmp_path / "out"
    prepare_small(lines, out)
    manifest, expected = json.loads((out / MANIFEST).read_text()), contents(out)
    (out / MANIFEST).write_text(json.dumps(manifest | {"complete": complete}))
    (out / "train-00000.bin").unlink()
    with pytest.raises(UserError, match=r"train-00000\.bin: missing: .* again, with --overwrite"):
        prepare_small(lines, out)
    prepare([lines], BYTES, out, validation=0.3, shard_tokens=150, overwrite=True)
    assert contents(out) == expected


def test_what_is_finished_is_not_tokenized_again(lines: Path, tmp_path: Path) -> None:
    class Counting(ByteTokenizer):
        left = 29

        def _encode(self, text: str) -> np.ndarray:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return super()._encode(text)

    tokenizer = Counting()
    with pytest.raises(KeyboardInterrupt):
        prepare([lines], tokenizer, tmp_path / "out", shard_tokens=100)
    done = read_manifest(tmp_path / "out").documents("train")
    assert done > 20
    tokenizer.left = 100
    prepare([lines], tokenizer, tmp_path / "out", shard_tokens=100)
    assert tokenizer.left == 100 - (38 - done)


def test_over_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    for name in "abc":
        write_lines(tmp_path / "in" / f"{name}.jsonl", [f"{name} {text}" for text in TEXTS[:15]])
    prepare([tmp_path / "in"], BYTES, tmp_path / "whole", shard_tokens=90)
    write, left = shards_module.write_manifest, 6

    def stop_at_the_sixth(folder: Path, manifest: Manifest) -> None:
        nonlocal left
        write(folder, manifest)
        left -= 1
        if not left:
            raise KeyboardInterrupt

    monkeypatch.setattr(shards_module, "write_manifest", stop_at_the_sixth)
    with pytest.raises(KeyboardInterrupt):
        prepare([tmp_path / "in"], BYTES, tmp_path / "out", shard_tokens=90)
    assert read_manifest(tmp_path / "out").next_source == 1
    prepare([tmp_path / "in"], BYTES, tmp_path / "out", shard_tokens=90)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_finished_folder_is_left_as_it_is(lines: Path, tmp_path: Path) -> None:
    first = prepare([lines], BYTES, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert prepare([lines], BYTES, tmp_path / "out") == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize("complete", [True, False], ids=["finished", "unfinished"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("tokenizer", r"tokenizer was bytes \(vocabulary 257\), is characters \(vocabulary 24, sha256 \w{12}\.\.\.\)"),
        ("validation", "validation was 0.0, is 0.25"),
        ("appended", r"corpus\.jsonl had [\d,]+ bytes, has [\d,]+"),
        ("changed", r"corpus\.jsonl was written to"),
        ("added", r"other\.txt was not among the inputs"),
        ("removed", r"corpus\.jsonl is no longer among the inputs"),
    ],
    ids=lambda value: value if value.isalpha() else "",
)
def test_what_has_changed_is_refused(lines: Path, tmp_path: Path, change: str, message: str, complete: bool) -> None:
    out = tmp_path / "out"
    prepare([lines], BYTES, out)
    if not complete:
        content = json.loads((out / MANIFEST).read_text())
        (out / MANIFEST).write_text(json.dumps(content | {"complete": False}))
    before = contents(out)
    (tmp_path / "other.txt").write_text("another")
    inputs: list[Path] = [lines]
    tokenizer: Tokenizer = BYTES
    match change:
        case "tokenizer":
            tokenizer = CharacterTokenizer.build(TEXTS)
        case "appended":
            lines.write_text(lines.read_text() + '{"text": "more"}\n')
        case "changed":
            lines.write_text(lines.read_text().replace("word", "werd"))
        case "added":
            inputs = [lines, tmp_path / "other.txt"]
        case "removed":
            inputs = [tmp_path / "other.txt"]
    state = "holds shards" if complete else "holds the shards of an unfinished run"
    with pytest.raises(UserError, match=f"out {state} that were made in another way: .*{message}.*--overwrite"):
        prepare(inputs, tokenizer, out, validation=0.25 if change == "validation" else 0.0)
    assert contents(out) == before


@pytest.mark.parametrize("complete", [True, False], ids=["finished", "unfinished"])
def test_the_same_bytes_are_the_same_input_wherever_they_lie(lines: Path, tmp_path: Path, complete: bool) -> None:
    out = tmp_path / "out"
    manifest = prepare([lines], BYTES, out)
    if not complete:
        content = json.loads((out / MANIFEST).read_text())
        (out / MANIFEST).write_text(json.dumps(content | {"complete": False, "shards": [], "next_source": 0}))
    os.utime(lines, ns=(0, 0))
    assert prepare([lines], BYTES, out).shards == manifest.shards
    moved = lines.rename(tmp_path / "moved.jsonl")
    assert prepare([moved], BYTES, out).shards == manifest.shards


def test_a_touched_file_is_another_where_no_hash_was_kept(lines: Path, tmp_path: Path) -> None:
    prepare([lines], BYTES, tmp_path / "out")
    content = json.loads((tmp_path / "out" / MANIFEST).read_text())
    del content["sources"][0]["sha256"]
    (tmp_path / "out" / MANIFEST).write_text(json.dumps(content))
    prepare([lines], BYTES, tmp_path / "out")
    os.utime(lines, ns=(0, 0))
    with pytest.raises(UserError, match=r"corpus\.jsonl was written to"):
        prepare([lines], BYTES, tmp_path / "out")


def test_a_changed_order_is_refused_and_many_changes_are_cut_short(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.txt" for number in range(9)]
    for path in paths:
        path.write_text(f"text {path.name}")
    prepare(paths, BYTES, tmp_path / "out")
    with pytest.raises(UserError, match="the inputs come in another order"):
        prepare(paths[::-1], BYTES, tmp_path / "out")
    with pytest.raises(UserError, match="is no longer among the inputs; 3 more: give another folder"):
        prepare(paths[:1], BYTES, tmp_path / "out")


def test_overwriting_replaces_everything_once_there_is_something_new(lines: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare([lines], CharacterTokenizer.build(TEXTS), out, shard_tokens=50)
    before = contents(out)
    (tmp_path / "bad.txt").write_bytes(b"\xff")
    with pytest.raises(UserError, match="not UTF-8"):
        prepare([tmp_path / "bad.txt"], BYTES, out, overwrite=True)
    assert contents(out) == before
    (out / "notes.txt").write_text("mine")
    prepare([lines], BYTES, out, overwrite=True)
    assert sorted(contents(out)) == [
        "manifest.json", "notes.txt", "tokenizer.yaml", "train-00000.bin", "train-00000.ends.npy",
    ]  # fmt: skip
    assert decoded(out) == TEXTS[:38]


def test_beside_another_process(lines: Path, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="there are no such locks on Windows")
    out = tmp_path / "out"
    prepare_small(lines, out)
    before = contents(out)
    handle = os.open(out, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(UserError, match="another process is writing into .*out: wait for its end, or give another"):
        prepare([lines], BYTES, out, overwrite=True)
    assert contents(out) == before
    os.close(handle)
    prepare_small(lines, out)


def test_refused_input_leaves_no_folder(lines: Path, tmp_path: Path) -> None:
    lines.write_text('{"other": "field"}\n')
    with pytest.raises(UserError):
        prepare_small(lines, tmp_path / "deep" / "out")
    assert not (tmp_path / "deep").exists()

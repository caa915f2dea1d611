import hashlib
import http.client
import json
import zipfile
from pathlib import Path

import pytest

from genomics.sequences.archive import RECORD, fetch
from genomics.sequences.loading import load_splits
from genomics.sequences.options import LoadOptions
from tests.genomics.sequences.making import truncate
from titans_seq.errors import UserError

NAME = "human_enhancers_cohn"
FILE = f"{NAME}_v0.zip"


def make_archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for part, count in (("train", 3), ("test", 2)):
            for label, base in (("positive", "A"), ("negative", "c")):
                for number in range(count):
                    archive.writestr(f"{NAME}/{part}/{label}/{number}.txt", base * (number + 4))
        archive.writestr(f"__MACOSX/{NAME}/train/positive/0.txt", "junk")
    return path


def publish(folder: Path, change: str = "") -> str:
    """A server with the archive, as a folder; its address."""
    files, record = folder / f"records/{RECORD}/files", folder / f"api/records/{RECORD}"
    files.mkdir(parents=True)
    record.parent.mkdir(parents=True)
    digest = hashlib.md5(make_archive(files / FILE).read_bytes()).hexdigest()
    record.write_text(json.dumps({"files": [{"key": FILE, "checksum": f"md5:{digest}{change}"}]}))
    return folder.as_uri()


def test_an_archive_is_read_as_it_is(tmp_path: Path) -> None:
    splits = load_splits(make_archive(tmp_path / "a.zip"))
    assert splits.train.classes == ("negative", "positive")
    assert splits.train.sequences == ("CCCC", "CCCCC", "CCCCCC", "AAAA", "AAAAA", "AAAAAA")
    assert splits.train.names == ("0", "1", "2") * 2
    assert splits.validation is None
    assert splits.test is not None
    assert splits.test.labels.tolist() == [0, 0, 1, 1]


def test_a_bad_record_is_named_or_left_out(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{NAME}/train/positive/9.txt", "AC?")
    with pytest.raises(UserError, match=f"a.zip, record {NAME}/train/positive/9.txt: '\\?' at position 3"):
        load_splits(path)
    left_out: list[str] = []
    assert len(load_splits(path, LoadOptions(skip_bad=True), left_out).train) == 6
    assert len(left_out) == 1


def test_other_zip_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.fa", ">a\nAC\n")
    with pytest.raises(UserError, match="no entries such as name/train/positive/12.txt"):
        load_splits(tmp_path / "a.zip")
    with pytest.raises(UserError, match="not a whole zip file"):
        load_splits(truncate(make_archive(tmp_path / "b.zip")))


def test_fetch_downloads_once(tmp_path: Path) -> None:
    address = publish(tmp_path / "server")
    path = fetch(NAME, tmp_path / "kept", address)
    assert path.name == FILE
    assert len(load_splits(path).train) == 6
    assert fetch(NAME, tmp_path / "kept", "file:///nowhere") == path


def test_a_damaged_download_is_not_kept(tmp_path: Path) -> None:
    address = publish(tmp_path / "server", change="0")
    with pytest.raises(UserError, match="arrived damaged: its MD5 sum is .*, published is .*: try again"):
        fetch(NAME, tmp_path / "kept", address)
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize("answer", [b"\xff\xfe", b"<html>", b"[]", b'{"files": null}', b'{"files": [{"key": "a"}]}'])
def test_an_answer_of_another_form_is_refused(tmp_path: Path, answer: bytes) -> None:
    address = publish(tmp_path / "server")
    (tmp_path / f"server/api/records/{RECORD}").write_bytes(answer)
    with pytest.raises(UserError, match="could not be fetched .* download it elsewhere and put it at"):
        fetch(NAME, tmp_path / "kept", address)


def test_a_download_that_breaks_off_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(url: str, target: Path) -> str:
        raise http.client.IncompleteRead(b"PK")

    monkeypatch.setattr("genomics.sequences.archive._download", breaks)
    with pytest.raises(UserError, match="could not be fetched"):
        fetch(NAME, tmp_path / "kept", publish(tmp_path / "server"))


def test_a_damaged_file_that_is_there_is_refused(tmp_path: Path) -> None:
    truncate(make_archive(tmp_path / FILE))
    with pytest.raises(UserError, match="not a whole zip file .*: remove it, and it is downloaded again"):
        fetch(NAME, tmp_path, "file:///nowhere")
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(UserError, match="not a whole zip file"):
        fetch(NAME, tmp_path, "file:///nowhere")


def test_without_a_network(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        fetch(NAME, tmp_path / "kept", (tmp_path / "none").as_uri())
    assert f"without a network, download it elsewhere and put it at {tmp_path / 'kept' / FILE}" in str(caught.value)


def test_a_record_without_the_file_and_an_unknown_name(tmp_path: Path) -> None:
    address = publish(tmp_path / "server")
    with pytest.raises(UserError, match="has no file human_ocr_ensembl_v0.zip: it may have moved"):
        fetch("human_ocr_ensembl", tmp_path, address)
    with pytest.raises(UserError, match="no data set 'cohn' in GenomicsBenchmarks: it has demo_coding"):
        fetch("cohn", tmp_path, address)

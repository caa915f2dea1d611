import errno
from pathlib import Path

import pytest
import torch

from titans_seq.checkpoint import check_replaceable, load_folder, save_folder
from titans_seq.errors import UserError

CONFIG = {"kind": "model", "width": 8, "rates": [0.5, 1e-5]}
TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2], dtype=torch.int64)}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "x"
    save_folder(folder, CONFIG, TENSORS, "# Old", {"metrics.csv": "mse\n0.4\n"})
    return folder


def assert_old(folder: Path) -> None:
    """The folder is the one that `saved` made, and nothing lies beside it."""
    config, tensors = load_folder(folder)
    assert config == CONFIG
    assert torch.equal(tensors["a"], TENSORS["a"])
    assert (folder / "card.md").read_text() == "# Old"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_round_trip(saved: Path) -> None:
    config, tensors = load_folder(saved)
    assert config == CONFIG
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)
    assert (saved / "metrics.csv").read_text() == "mse\n0.4\n"
    assert sorted(path.name for path in saved.iterdir()) == [
        "card.md",
        "config.yaml",
        "metrics.csv",
        "weights.safetensors",
    ]


def test_any_tensor_can_be_saved(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    tensors = {"tied": weight, "also": weight, "turned": weight.T, "half": weight.to(torch.bfloat16)}
    save_folder(tmp_path / "x", {}, tensors, "")
    _, loaded = load_folder(tmp_path / "x")
    for name, tensor in tensors.items():
        assert torch.equal(loaded[name], tensor.detach())


def test_an_earlier_folder_is_replaced_whole(saved: Path) -> None:
    save_folder(saved, {"width": 9}, {"c": torch.ones(1)}, "# New")
    config, tensors = load_folder(saved)
    assert config == {"width": 9}
    assert list(tensors) == ["c"]
    assert not (saved / "metrics.csv").exists()
    assert [path.name for path in saved.parent.iterdir()] == ["x"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    save_folder(tmp_path / "x", CONFIG, TENSORS, "")
    assert load_folder(tmp_path / "x")[0] == CONFIG


def test_a_full_disk_leaves_the_old_folder(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left on device"):
        save_folder(saved, {"width": 9}, TENSORS, "# New")
    assert_old(saved)


def test_a_failing_rename_brings_the_old_folder_back(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def fail_for_new(self: Path, target: Path) -> Path:
        if self.suffix == ".new":
            raise PermissionError(13, "Permission denied", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(PermissionError):
        save_folder(saved, {"width": 9}, TENSORS, "# New")
    assert_old(saved)


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    for attempt in (lambda: save_folder(tmp_path, CONFIG, TENSORS, ""), lambda: check_replaceable(tmp_path)):
        with pytest.raises(UserError, match=r"holds other files and no config\.yaml.*give the name of a new"):
            attempt()
    assert (tmp_path / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize("missing", [r"no weights\.safetensors", "the folder holds checkpoints/"])
def test_the_folder_of_a_run_is_not_replaced(missing: str, saved: Path) -> None:
    run = saved.parent
    names = ("config.yaml", "log.jsonl") + (("weights.safetensors",) if "checkpoints" in missing else ())
    for name in names:
        (run / name).write_text("precious")
    (run / "checkpoints").mkdir()
    for attempt in (lambda: save_folder(run, CONFIG, TENSORS, ""), lambda: check_replaceable(run)):
        with pytest.raises(UserError, match=rf"cannot save to .*{missing}.*give the name of a new or empty folder"):
            attempt()
    assert sorted(path.name for path in run.iterdir()) == sorted([*names, "checkpoints", saved.name])
    assert load_folder(saved)[0] == CONFIG


def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("precious")
    with pytest.raises(UserError, match=r"cannot save to .*: it is a file"):
        save_folder(tmp_path / "x", CONFIG, TENSORS, "")


@pytest.mark.parametrize("name", ["weights.safetensors", "sub/metrics.csv", "../metrics.csv", ".."])
def test_extra_files_keep_to_plain_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="an extra file needs a plain name"):
        save_folder(tmp_path / "x", CONFIG, TENSORS, "", {name: "x"})
    assert list(tmp_path.iterdir()) == []


def test_loading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no saved model at .*: there is no such folder"):
        load_folder(tmp_path / "x")
    (tmp_path / "x").write_text("")
    with pytest.raises(UserError, match=r"no saved model at .*: it is a file: give the folder that holds config\.yaml"):
        load_folder(tmp_path / "x")


@pytest.mark.parametrize("name", ["config.yaml", "weights.safetensors"])
def test_loading_a_half_written_folder(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(UserError, match=f"no whole saved model at .*: {name} missing"):
        load_folder(saved)


@pytest.mark.parametrize("size", [0, 4, 40, 150])
def test_loading_cut_weights(saved: Path, size: int) -> None:
    weights = saved / "weights.safetensors"
    assert weights.stat().st_size > size
    weights.write_bytes(weights.read_bytes()[:size])
    with pytest.raises(UserError, match=r"weights\.safetensors: damaged, it is not a whole safetensors file"):
        load_folder(saved)


def test_loading_a_damaged_configuration(saved: Path) -> None:
    (saved / "config.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"config\.yaml: damaged, it is not UTF-8 text"):
        load_folder(saved)
    (saved / "config.yaml").write_text("width: [1")
    with pytest.raises(UserError, match=r"config\.yaml, line 1: not valid YAML"):
        load_folder(saved)

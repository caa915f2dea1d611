import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.resuming import PowerCut
from titans_seq.errors import UserError
from titans_seq.experiment.record import read_config, read_config_file, write_config
from titans_seq.experiment.run_folder import RunLayout, alone_in

LAYOUT = RunLayout(("history.csv",), finish="`train --resume --out {out}`")


@dataclass(frozen=True)
class Config:
    seed: int


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def finish(out: Path, seed: int, overwrite: bool = False) -> None:
    with LAYOUT.claim(out, overwrite):
        write_config(out, Config(seed))
        (out / "history.csv").write_text("1\n")
        (out / "model").mkdir()
        (out / "model" / "config.yaml").write_text("kind: small\n")
    LAYOUT.clear(out)


def stop(out: Path, left: str | None, overwrite: bool = False) -> None:
    try:
        with LAYOUT.claim(out, overwrite):
            write_config(out, Config(1))
            if left is not None:
                (out / left).parent.mkdir(exist_ok=True)
                (out / left).write_text("state")
            raise PowerCut
    except PowerCut:
        return


@pytest.fixture
def run(tmp_path: Path) -> Path:
    finish(tmp_path / "x", seed=0)
    return tmp_path / "x"


def test_a_finished_run_holds_what_it_wrote(run: Path) -> None:
    assert names(run) == ["config.yaml", "history.csv", "model/config.yaml"]
    assert LAYOUT.is_finished(run)
    assert read_config(run, Config) == read_config_file(run / "config.yaml", Config) == Config(0)


def test_a_suggested_command_can_be_pasted(tmp_path: Path) -> None:
    stop(tmp_path / "my run", "checkpoints/step-1.ckpt")
    with pytest.raises(UserError, match=r"finish it with `train --resume --out '.*/my run'`"):
        LAYOUT.check_free(tmp_path / "my run", overwrite=False)


def test_what_was_stopped_after_a_checkpoint_stays(tmp_path: Path) -> None:
    stop(tmp_path / "x", "checkpoints/step-1.ckpt")
    assert names(tmp_path / "x") == ["checkpoints/step-1.ckpt", "config.yaml"]
    with pytest.raises(UserError, match=r"\(it has no model/\): finish it with `train --resume --out .*/x`"):
        LAYOUT.check_free(tmp_path / "x", overwrite=False)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_saved_model_is_no_folder_for_a_run(run: Path, overwrite: bool) -> None:
    (run / "model" / "weights.safetensors").touch()
    with pytest.raises(UserError, match="holds a saved model and no run"):
        LAYOUT.check_free(run / "model", overwrite)


@pytest.mark.parametrize("left", [None, "checkpoints/.step-1.ckpt.new"])
def test_what_failed_before_its_first_whole_checkpoint_leaves_nothing(tmp_path: Path, left: str | None) -> None:
    stop(tmp_path / "x", left)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_gives_the_earlier_run_back(run: Path) -> None:
    before = names(run)
    stop(run, None, overwrite=True)
    assert names(run) == before
    assert read_config(run, Config) == Config(0)


def test_an_earlier_run_goes_when_the_new_one_is_finished(run: Path) -> None:
    (run / "notes.txt").write_text("mine")
    stop(run, "checkpoints/step-1.ckpt", overwrite=True)
    assert ".previous/model/config.yaml" in names(run)
    assert not LAYOUT.is_finished(run)
    finish(run, seed=2, overwrite=True)
    assert names(run) == ["config.yaml", "history.csv", "model/config.yaml", "notes.txt"]
    assert read_config(run, Config) == Config(2)


@pytest.mark.parametrize("name", [".previous", ".previous.moving"])
def test_what_a_process_killed_before_its_configuration_leaves(run: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "new" / name).mkdir(parents=True)
    LAYOUT.check_free(tmp_path / "new", overwrite=False)
    finish(tmp_path / "new", seed=1, overwrite=False)
    assert "config.yaml" in names(tmp_path / "new")

    (run / name).mkdir()
    for path in (path for path in run.iterdir() if path.name != name):
        path.rename(run / name / path.name)
    with pytest.raises(UserError, match=rf"holds no run but .*{name}, .*: move what is in it back, or train anew"):
        LAYOUT.check_free(run, overwrite=False)


@pytest.mark.parametrize("when", ["put aside", "put back"])
@pytest.mark.parametrize("moves", [0, 1, 2, 3])
def test_a_process_killed_between_two_moves_loses_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch, when: str, moves: int
) -> None:
    before = {name: (run / name).read_text() for name in names(run)}
    usual, left = Path.rename, [moves]

    def rename(path: Path, target: Path) -> Path:
        if when == "put aside" or (run / ".previous").exists() or (run / ".previous.moving").exists():
            if left[0] == 0:
                raise Killed
            left[0] -= 1
        return usual(path, target)

    def killed() -> None:
        try:
            with LAYOUT.claim(run, overwrite=True):
                if when == "put back":
                    monkeypatch.setattr(Path, "rename", rename)
                raise PowerCut
        except (PowerCut, Killed):
            monkeypatch.setattr(Path, "rename", usual)

    if when == "put aside":
        monkeypatch.setattr(Path, "rename", rename)
    killed()
    stop(run, None, overwrite=True)  # the next process fails, too
    assert {name: (run / name).read_text() for name in names(run)} == before


class Killed(BaseException):
    """As if the process were gone: nothing is put back."""


FOLDED = RunLayout(("history.csv",), finish="--resume", folds=True)


def fold(out: Path, number: int, seed: int, name: str = "fold") -> None:
    with FOLDED.claim(out / f"{name}-{number}", overwrite=True):
        write_config(out / f"{name}-{number}", Config(seed))
        (out / f"{name}-{number}" / "model").mkdir()
        (out / f"{name}-{number}" / "model" / "config.yaml").write_text("kind: small\n")
    FOLDED.clear(out / f"{name}-{number}")


@pytest.fixture
def folded(tmp_path: Path) -> Path:
    out = tmp_path / "cv"
    with FOLDED.claim(out, overwrite=False):
        for number in (1, 2, 10):
            fold(out, number, seed=0)
    FOLDED.clear(out)
    fold(out, 1, seed=7, name="fold-copy")
    return out


def seeds(out: Path) -> dict[str, int]:
    return {path.name: read_config(path, Config).seed for path in FOLDED.folds_of(out)}


def test_a_cross_validation_is_replaced_as_a_whole_or_not_at_all(folded: Path) -> None:
    assert seeds(folded) == {"fold-1": 0, "fold-10": 0, "fold-2": 0}
    with pytest.raises(UserError, match="already holds several runs: .* finish it with --resume"):
        FOLDED.check_free(folded, overwrite=False)
    with pytest.raises(PowerCut), FOLDED.claim(folded, overwrite=True):
        raise PowerCut
    assert seeds(folded) == {"fold-1": 0, "fold-10": 0, "fold-2": 0}
    with contextlib.suppress(PowerCut), FOLDED.claim(folded, overwrite=True):
        fold(folded, 1, seed=1)
        raise PowerCut  # it can be resumed
    assert seeds(folded) == {"fold-1": 1}
    with FOLDED.claim(folded, overwrite=True):
        fold(folded, 1, seed=2)
    FOLDED.clear(folded)
    assert seeds(folded) == {"fold-1": 2}
    assert sorted(path.name for path in folded.iterdir()) == ["fold-1", "fold-copy-1"]  # what is the user's stays


def test_a_single_run_takes_the_place_of_a_cross_validation(folded: Path) -> None:
    with pytest.raises(PowerCut), FOLDED.claim(folded, overwrite=True):
        raise PowerCut
    assert len(seeds(folded)) == 3
    with FOLDED.claim(folded, overwrite=True):
        write_config(folded, Config(5))
    FOLDED.clear(folded)
    assert seeds(folded) == {}
    assert read_config(folded, Config) == Config(5)


def test_a_file_of_the_users_beside_a_folds_run_is_named(folded: Path) -> None:
    (folded / "fold-2" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"fold-2/notes.txt was written by no run"):
        FOLDED.check_free(folded, overwrite=True)


def test_what_a_killed_process_left_half_written_goes_in_the_end(run: Path) -> None:
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / ".step-1.ckpt.new").write_text("half")
    (run / ".model.a1b2.new").mkdir()
    LAYOUT.clear(run)
    assert names(run) == ["config.yaml", "history.csv", "model/config.yaml"]
    assert not (run / ".model.a1b2.new").exists()


def test_folders_that_are_taken(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="already holds a trained model: give another folder"):
        LAYOUT.check_free(run, overwrite=False)
    LAYOUT.check_free(run, overwrite=True)
    LAYOUT.check_free(tmp_path / "new", overwrite=False)
    (tmp_path / "other").mkdir()
    LAYOUT.check_free(tmp_path / "other", overwrite=False)
    (tmp_path / "other" / "thesis.txt").write_text("text")
    with pytest.raises(UserError, match="holds other files and no run"):
        LAYOUT.check_free(tmp_path / "other", overwrite=True)
    with pytest.raises(UserError, match="is a file: give the name of a new folder"):
        LAYOUT.check_free(tmp_path / "other" / "thesis.txt", overwrite=True)


def test_configurations_that_are_not_there_or_damaged(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run folder: it has no config.yaml"):
        read_config(tmp_path, Config)
    with pytest.raises(UserError, match="not a run folder: there is no such folder"):
        read_config(tmp_path / "nowhere", Config)
    with pytest.raises(UserError, match="no such run folder or configuration"):
        read_config_file(tmp_path / "nowhere.yaml", Config)
    (run / "config.yaml").write_text("seed: many\n")
    with pytest.raises(UserError, match="config.yaml: seed: expected a whole number, got 'many'"):
        read_config(run, Config)
    (run / "config.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="config.yaml: damaged, it is not UTF-8 text"):
        read_config(run, Config)


def test_a_folder_that_another_process_trains_into_is_left_alone(run: Path, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="there are no such locks on Windows")
    before = names(run)
    handle = os.open(run, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(UserError, match=f"another process is writing into {run}: wait for its end, or give another"):
        finish(run, seed=1, overwrite=True)
    with pytest.raises(UserError, match="another process is writing into"), alone_in(run):
        pass
    assert names(run) == before
    os.close(handle)
    with alone_in(run), alone_in(run):
        finish(run, seed=1, overwrite=True)
    assert read_config(run, Config) == Config(1)

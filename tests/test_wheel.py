import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGES = ("titans_seq", "forecasting", "genomics", "language")


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=repository, check=True, capture_output=True, timeout=120)
    return next(folder.glob("titans_seq-*.whl"))


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path, repository: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top == set(PACKAGES)
    sources = {
        path.relative_to(repository).as_posix() for package in PACKAGES for path in (repository / package).rglob("*.py")
    }
    assert sources <= set(names)


def test_the_wheel_runs_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import titans_seq.cli as cli; "
        "print(cli.__file__); sys.exit(cli.main(['--version']))"
    )
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [str(tmp_path / "titans_seq" / "cli.py"), "titans-seq 0.1.0"]

import os
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


@pytest.fixture(scope="module")
def installed(wheel: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `titans` command of an environment that was empty before; pip's own settings say where packages come from."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    wanted = f"{wheel}[forecasting,genomics,language]"
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "-c", repository / "constraints.txt", wanted], check=True, cwd=folder)
    return folder / "bin" / "titans"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("forecast demo --steps 1 --out made", "trained.png"),
        ("dna demo --count 24 --epochs 1 --preset tiny --out made", "explained/mutagenesis.png"),
        ("lm demo --steps 2 --out made", "memory.safetensors"),
    ],
)
def test_the_installed_wheel_runs_the_demonstrations(installed: Path, tmp_path: Path, line: str, made: str) -> None:
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([installed, *line.split()], cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made" / made).is_file()

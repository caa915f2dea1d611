import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NOT_FOR_THE_CORE = ("lightning", "pytorch_lightning", "pandas", "gluonts", "Bio")


def loaded_after(statement: str) -> set[str]:
    """Packages not meant for the core that a statement loads in a process of its own."""
    code = f"{statement}; import sys; print(*[name for name in {NOT_FOR_THE_CORE} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_the_core_loads_no_domain_package_and_works_where_triton_cannot_be_imported() -> None:
    statement = (
        "import sys; sys.modules['triton'] = None; from titans_seq import memory, ops, layers, blocks, models; "
        "import torch; layer = layers.NeuralMemory(layers.NeuralMemoryConfig(), 8); "
        "layer(torch.ones(1, 3, 8))[0].sum().backward(); "
        "assert not [name for name in sys.modules if 'triton.kernels' in name or name.startswith('triton.')]"
    )
    assert loaded_after(statement) == set()


def test_the_check_can_fail() -> None:
    assert loaded_after("import pandas") == {"pandas"}


@pytest.mark.parametrize("name", ["forecasting.ForecastModel", "genomics.DNAClassifier", "language.LanguageModel"])
def test_a_name_whose_package_is_missing_says_how_to_install_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home, _, last = name.partition(".")
    package = importlib.import_module(home)

    def without_pandas(*_: str) -> None:
        raise ModuleNotFoundError("No module named 'pandas'", name="pandas.api")

    monkeypatch.setattr("importlib.import_module", without_pandas)
    said = f"^{name} needs the package 'pandas', .*: run pip install 'titans-seq\\[{home}\\]'$"
    with pytest.raises(ModuleNotFoundError, match=said):
        getattr(package, last)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    script = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert script is not None, "import-linter is not installed: pip install 'titans-seq[test]'"
    return subprocess.run([script, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=120)


def copy_packages(repository: Path, folder: Path) -> None:
    shutil.copy(repository / "pyproject.toml", folder)
    for package in ("titans_seq", "forecasting", "genomics", "language"):
        shutil.copytree(repository / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))


def test_import_directions_hold(repository: Path) -> None:
    done = lint_imports(repository)
    assert done.returncode == 0, done.stdout


WRONG = [
    ("titans_seq.memory", "titans_seq.ops", "The core is built in layers"),
    ("titans_seq.ops", "forecasting", "The core knows no domain"),
    ("titans_seq.ops", "genomics", "The core knows no domain"),
    ("titans_seq.ops", "pandas", "The core needs no domain's packages"),
    ("titans_seq.ops", "lightning", "In the core only the experiment uses lightning"),
    ("forecasting", "language", "Domains do not know each other"),
    ("genomics", "language", "Domains do not know each other"),
]


def test_wrong_imports_break_their_contracts(repository: Path, tmp_path: Path) -> None:
    """One run of the linter, since each reads the whole tree."""
    copy_packages(repository, tmp_path)
    modules = [f"{package}.wrong{number}" for number, (package, *_) in enumerate(WRONG)]
    for module, (_, imported, _) in zip(modules, WRONG, strict=True):
        (tmp_path / f"{module.replace('.', '/')}.py").write_text(f"import {imported}")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    for module, (_, imported, contract) in zip(modules, WRONG, strict=True):
        broken = [line for line in done.stdout.splitlines() if line.startswith(contract) and " BROKEN" in line]
        assert broken, done.stdout
        assert f"{module} -> {imported} (l.1)" in done.stdout

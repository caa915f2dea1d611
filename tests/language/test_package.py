import subprocess
import sys

import pytest

import language
from language.optional import load_optional
from titans_seq.errors import UserError


def test_every_exported_name_is_there() -> None:
    for name in language.__all__:
        assert getattr(language, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = language.nonsense  # pyright: ignore[reportAttributeAccessIssue]


def test_preparing_shards_loads_neither_torch_nor_an_optional_package() -> None:
    code = (
        "import sys, language.cli.prepare, language.data.shards, language.data.token_shards; "
        "print(*[name for name in ('torch', 'lightning', 'pyarrow', 'tokenizers', 'sentencepiece') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


def test_a_missing_package_is_named_with_its_remedy() -> None:
    with pytest.raises(
        UserError, match=r"^a scroll needs the package 'papyrus', .* pip install 'titans-seq\[language\]'"
    ):
        load_optional("papyrus", "a scroll")


def test_a_package_that_is_broken_inside_keeps_its_own_error(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_inside.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        load_optional("broken_inside", "a test")

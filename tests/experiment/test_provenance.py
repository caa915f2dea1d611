import subprocess
from pathlib import Path

import pytest

from titans_seq.experiment import provenance


def test_the_commit_of_a_checkout_says_whether_packages_differ_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "_ROOT", tmp_path)
    assert provenance.checkout_commit("titans_seq") is None
    (tmp_path / "titans_seq").mkdir()
    (tmp_path / "titans_seq" / "env.py").write_text("")
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    for command in (("init",), ("add", "."), (*author, "commit", "-m", "first")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, capture_output=True)
    commit = provenance.checkout_commit("titans_seq")
    assert commit is not None
    assert len(commit) == 40
    (tmp_path / "elsewhere").write_text("")
    assert provenance.checkout_commit("titans_seq") == commit
    (tmp_path / "titans_seq" / "new.py").write_text("")
    assert provenance.checkout_commit("titans_seq") == f"{commit}+changes"

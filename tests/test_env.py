import json
import sys

import pytest
import torch

from titans_seq import cli, env


def explain(device: torch.device | str = "cpu") -> list[tuple[str, bool, str]]:
    return [
        ("fast", False, "needs a GPU"),
        ("plain", True, "runs everywhere"),
        ("slow", True, "the definition"),
    ]


@pytest.fixture
def fake_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("titans_seq.ops.explain_backend", explain)


@pytest.mark.usefixtures("fake_backends")
def test_the_first_available_backend_runs() -> None:
    cpu = env.describe_environment().devices[0]
    assert cpu.name == "cpu"
    assert cpu.backends == (
        env.Backend("fast", available=False, reason="needs a GPU", runs=False),
        env.Backend("plain", available=True, reason="runs everywhere", runs=True),
        env.Backend("slow", available=True, reason="the definition", runs=False),
    )


def test_a_backend_runs_on_the_cpu_of_every_machine() -> None:
    assert [backend.name for backend in env.describe_environment().devices[0].backends if backend.runs] == ["chunked"]


@pytest.mark.usefixtures("fake_backends")
def test_tables(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(env, "PACKAGES", ("torch", "no-such-distribution"))
    assert cli.main(["env"]) == 0
    rows = [" ".join(line.replace("│", " ").split()) for line in capsys.readouterr().out.splitlines()]
    assert f"torch {torch.__version__}" in rows
    assert "no-such-distribution not installed" in rows
    assert "fast no needs a GPU" in rows
    assert "plain yes runs everywhere" in rows
    assert "slow if asked for by name the definition" in rows


@pytest.mark.usefixtures("fake_backends")
def test_a_reader_that_goes_away_ends_it_as_any_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(text: str) -> int:
        if text:
            raise BrokenPipeError
        return 0

    monkeypatch.setattr(sys.stdout, "write", gone)
    with pytest.raises(BrokenPipeError):
        env.main([], "titans env")


@pytest.mark.usefixtures("fake_backends")
def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["env", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert set(data) == {"python", "platform", "packages", "devices"}
    assert data["packages"]["torch"] == torch.__version__
    assert data["devices"][0]["backends"][1] == {
        "name": "plain",
        "available": True,
        "reason": "runs everywhere",
        "runs": True,
    }


def test_unknown_option_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["env", "--jsno"])
    assert stop.value.code == 2
    assert "titans env: error: unrecognized arguments: --jsno" in capsys.readouterr().err

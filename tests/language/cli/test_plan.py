import re
from dataclasses import replace
from pathlib import Path

import pytest

from language.runs.config import RunConfig
from language.tokenizers import ByteTokenizer
from language.training.config import training_preset
from titans_seq.cli import main
from titans_seq.config import to_yaml
from titans_seq.models import language_model

SMALL = "--preset tiny-lmm --length 64 --batch-tokens 512 --devices 2 --set model.depth=1".split()


def test_a_plan_says_what_is_counted_and_what_is_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SMALL, "--vocabulary", "256", "--tokens", "5e6"]) == 0
    said = capsys.readouterr().out
    assert "1 blocks of width 128, vocabulary 256" in said
    assert "on each of 2 x NVIDIA H100 SXM, 4 segments of 64 tokens at once" in said
    assert "estimate, not measured" in said
    assert "0.005 billion tokens" in said
    assert "assumed: 40% of 989 TFLOP/s" in said


def test_devices_are_listed_with_their_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--device", "list"]) == 0
    said = capsys.readouterr().out
    assert "NVIDIA H100 architecture white paper" in said
    assert "not measured" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--device h1000", "unknown device 'h1000': expected one of"),
        ("--preset tiny-mamba", "--preset: unknown language model"),
        ("--devices 0", "devices must be at least 1, got 0"),
        ("--preset mac-340m --devices 7", "a step of 524,288 tokens cannot be made of batches"),
        ("--efficiency 2", "efficiency must be in (0, 1]"),
        ("--config /no/such", "no such run folder or configuration"),
        ("--preset mac-340m --measure", "--measure trains here at most 50,000,000 parameters"),
        ("--tokens 1e6 --max-steps 10", "--tokens and --max-steps both say how much is trained on"),
        ("--set training.steps=10 --tokens 1e6", "--tokens and --max-steps both say how much is trained on"),
        ("--lr 0.1", "--lr changes nothing of what titans plan says: leave it out"),
        ("--no-pack", "--no-pack changes nothing of what titans plan says"),
        ("--checkpoint-every 7", "--checkpoint-every changes nothing of what titans plan says"),
        ("--set training.optimiser={lr:0.1}", "training.optimiser"),
        ("--set training.seed=4", "--set training.seed changes nothing of what titans plan says"),
        ("--tokens inf", "tokens must be above 0 and finite, got inf"),
        ("protein", "unknown command 'protein': expected one of"),
    ],
)
def test_what_cannot_be_planned_is_one_message(options: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *options.split()]) == 2
    assert message in capsys.readouterr().err


def planned(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    # Without a memory, which takes a second to count.
    assert main(["plan", *SMALL, "--preset", "tiny-transformer", "--vocabulary", "256", *options]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("how", ["flag", "set", "config"])
def test_steps_say_how_many_tokens(how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    training = replace(training_preset("tiny-transformer"), steps=300, seed=4)
    config.write_text(to_yaml(RunConfig(language_model("tiny-transformer", 256), training, ByteTokenizer().info, ())))
    given = {"flag": ["--max-steps=300"], "set": ["--set=training.steps=300"], "config": [f"--config={config}"]}
    assert "0.0001536 billion tokens are 300 steps" in planned(capsys, *given[how])
    if how == "config":
        assert "0.005 billion tokens" in planned(capsys, *given[how], "--tokens", "5e6")


def test_checkpointing_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    def numbers(said: str) -> tuple[float, float, float]:
        total = re.search(r"total +([\d,.]+) +([\d,.]+)", said)
        saved = re.search(r"saved activations +([\d.]+) MB", said)
        assert total is not None
        assert saved is not None
        return float(total[1]), float(total[2]), float(saved[1])

    plain, again = (numbers(planned(capsys, *more)) for more in ((), ("--gradient-checkpointing",)))
    assert again[0] == plain[0]
    assert plain[1] < again[1] <= plain[1] + plain[0]

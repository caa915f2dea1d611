import pytest

from titans_seq.cli import main

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
        ("protein", "unknown command 'protein': expected one of"),
    ],
)
def test_what_cannot_be_planned_is_one_message(options: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *options.split()]) == 2
    assert message in capsys.readouterr().err

"""`titans lm generate`, `read` and `evaluate`, on an untrained model."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import tyro

from language.cli.evaluate import Evaluate, evaluate
from language.cli.generate import Generate, generate
from language.cli.read import Read, read
from language.data.shards import prepare
from language.tokenizers import ByteTokenizer, CharacterTokenizer, SentencePieceTokenizer
from tests.forked import ended, forked
from tests.language.making import train_pieces
from tests.language.small_models import save_run, small
from titans_seq.checkpoint import WEIGHTS
from titans_seq.errors import UserError

TEXT = "It was the best of times, it was the worst of times, it was the age of wisdom. " * 3


def parsed(options: type, arguments: str):
    return tyro.cli(options, args=arguments.split(), config=(tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_run(tmp_path_factory.mktemp("runs") / "y")


def generated(capsys: pytest.CaptureFixture[str], **options: object) -> str:
    generate(Generate(**({"max_tokens": 8} | options)))  # type: ignore[arg-type]
    return capsys.readouterr().out


def test_the_command_lines_of_the_issue() -> None:
    line = "runs/y --prompt Once --max-tokens 9 --seed 3 --temperature 0.5 --top-k 4 --top-p 0.9 --stop a --stop b"
    assert parsed(Generate, line + " --memory m.safetensors --count 2") == Generate(
        Path("runs/y"), "Once", memory=Path("m.safetensors"), max_tokens=9, count=2, seed=3, temperature=0.5, top_k=4,
        top_p=0.9, stop=("a", "b"),
    )  # fmt: skip
    assert parsed(Generate, "runs/y --prompt-file -") == Generate(Path("runs/y"), prompt_file=Path("-"))
    line = "runs/y book.txt --save-memory m.safetensors --memory earlier.safetensors"
    assert parsed(Read, line) == Read(
        Path("runs/y"), Path("book.txt"), Path("m.safetensors"), Path("earlier.safetensors")
    )
    line = "runs/y a.txt b.txt --length 64 --out scores"
    assert parsed(Evaluate, line) == Evaluate(Path("runs/y"), (Path("a.txt"), Path("b.txt")), 64, Path("scores"))


def test_help_loads_no_torch() -> None:
    code = (
        "import sys, language.cli.generate, language.cli.read, language.cli.evaluate; "
        "print(*[name for name in ('torch', 'lightning', 'matplotlib', 'lm_eval') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


def test_using_a_model_loads_no_trainer(run: Path, tmp_path: Path) -> None:
    heavy = ("lightning", "matplotlib")

    def use() -> int:
        """Import all anew but PyTorch, which takes seconds."""
        for name in list(sys.modules):
            if name.partition(".")[0] in ("language", "titans_seq", *heavy):
                del sys.modules[name]
        from language.cli.generate import Generate, generate

        generate(Generate(run, max_tokens=1))
        loaded = [name for name in heavy if name in sys.modules]
        print("loaded", *loaded)
        return len(loaded)

    assert ended(forked(use, tmp_path / "said")) == 0, (tmp_path / "said").read_text()


def test_text_depends_on_the_seed_and_the_prompt_alone(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = generated(capsys, run=run, prompt="To be", seed=1)
    assert first.endswith("\n")
    assert generated(capsys, run=run, prompt="To be", seed=1) == first
    assert generated(capsys, run=run, prompt="To be", seed=2) != first
    assert generated(capsys, run=run, prompt="To do", seed=1) != first


def test_without_a_prompt_a_document_begins(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generated(capsys, run=run) == generated(capsys, run=run, prompt="") != "\n"


def test_several_texts_are_those_of_as_many_seeds(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    single = [generated(capsys, run=run, prompt="To be", seed=seed) for seed in (5, 6)]
    both = generated(capsys, run=run, prompt="To be", seed=5, count=2)
    assert both == f"--- 1 of 2, seed 5\n{single[0]}--- 2 of 2, seed 6\n{single[1]}"


def test_a_prompt_from_a_file_or_standard_input(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prompt.txt").write_text("To be")
    expected = generated(capsys, run=run, prompt="To be")
    assert generated(capsys, run=run, prompt_file=tmp_path / "prompt.txt") == expected
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"To be")))
    assert generated(capsys, run=run, prompt_file=Path("-")) == expected


def test_text_ends_before_a_stop(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = generated(capsys, run=run, prompt="To be", max_tokens=30)
    stop = whole[10:12]
    assert generated(capsys, run=run, prompt="To be", max_tokens=30, stop=(stop,)) == whole[: whole.index(stop)] + "\n"


def test_what_was_read_goes_on_like_the_text_itself(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "1.txt").write_text(TEXT)
    (tmp_path / "2.txt").write_text(TEXT[:50])
    first, second = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    read(Read(run, tmp_path / "1.txt", first, progress="none"))
    said = capsys.readouterr().out
    assert f"{len(TEXT)} tokens, {len(TEXT)} bytes of text" in said
    assert "nats a token, perplexity " in said
    assert f"titans lm generate {run} --memory {first}" in said
    read(Read(run, tmp_path / "2.txt", second, first, progress="none"))
    assert f"the memory of {len(TEXT) + 50} tokens" in capsys.readouterr().out
    greedy = {"run": run, "temperature": 0.0}
    for memory, text in ((first, TEXT), (second, TEXT + TEXT[:50])):
        assert generated(capsys, **greedy, memory=memory) == generated(capsys, **greedy, prompt=text)
        assert generated(capsys, **greedy, memory=memory, prompt=" So") == generated(
            capsys, **greedy, prompt=text + " So"
        )


def test_progress_says_how_well_it_goes(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1.txt").write_text(TEXT)
    monkeypatch.setattr("titans_seq.progress._SECONDS", {"lines": 0.0, "bar": 0.0})
    read(Read(run, tmp_path / "1.txt", progress="lines"))
    assert f"1.txt: {len(TEXT)} tokens" in capsys.readouterr().err
    read(Read(run, tmp_path / "1.txt", progress="bar"))
    capsys.readouterr()


def test_an_evaluation_is_printed_and_written(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    (tmp_path / "1.txt").write_text(TEXT)
    evaluate(Evaluate(run, (tmp_path / "1.txt",), out=tmp_path / "out", progress="none"))
    said = capsys.readouterr().out
    assert "cut at 32" in said
    assert f"written: {tmp_path / 'out' / 'evaluation.json'}" in said
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["tokens"] == len(TEXT)
    evaluate(Evaluate(run, (tmp_path / "1.txt",), length=1000, progress="none"))
    assert "note: no text is longer than 1,000 tokens" in capsys.readouterr().out


def test_wrong_input_is_refused(run: Path, tmp_path: Path) -> None:
    text, memory = tmp_path / "1.txt", tmp_path / "m.safetensors"
    text.write_text(TEXT)
    linked = tmp_path / "linked.safetensors"
    linked.symlink_to(run / "model" / WEIGHTS)
    for action, message in (
        (lambda: generate(Generate(run, "a", Path("b"))), "both --prompt and --prompt-file"),
        (lambda: generate(Generate(run, max_tokens=0)), "--max-tokens must be at least 1, got 0"),
        (lambda: generate(Generate(run, count=0)), "--count must be at least 1, got 0"),
        (lambda: generate(Generate(run, stop=("",))), "--stop is empty"),
        (lambda: generate(Generate(run, top_p=0)), r"--top-p must lie in \(0, 1\], got 0"),
        (lambda: generate(Generate(run, temperature=-1)), "--temperature must be at least 0, got -1"),
        (lambda: generate(Generate(run, top_k=0)), r"--top-k must be at least 1 \(none is given for all tokens\)"),
        (lambda: generate(Generate(run, seed=1 << 32)), r"--seed must be in \[0, 2\*\*32\), got 4294967296"),
        (lambda: generate(Generate(run, temperature=0, count=2)), "draws none: leave out --top-k, --top-p and --count"),
        (lambda: generate(Generate(run, memory=tmp_path / "m")), "no saved state at"),
        (lambda: generate(Generate(tmp_path / "none")), "no saved model at"),
        (lambda: read(Read(run, text, tmp_path / "m.txt")), r"expected a name that ends in \.safetensors"),
        (lambda: read(Read(run, text, run / "model" / WEIGHTS)), "is a model's own file: give another name"),
        (lambda: read(Read(run, text, linked)), "is a model's own file: give another name"),
        (lambda: read(Read(run, text, memory, memory)), "would be written over: give --save-memory another name"),
        (lambda: read(Read(run, tmp_path / "none.txt", progress="none")), "no such file"),
        (lambda: evaluate(Evaluate(run, ())), "no text is given"),
        (lambda: evaluate(Evaluate(run, (text,), out=text)), "is a file: give the name of a folder"),
        (lambda: evaluate(Evaluate(run, (text,), length=-1, progress="none")), "at least 1 token, got -1"),
        (lambda: evaluate(Evaluate(run, (text,), length=0, progress="none")), "at least 1 token, got 0"),
        (lambda: evaluate(Evaluate(run, (text,), window=0, progress="none")), "at least 1 token, got 0"),
        (lambda: evaluate(Evaluate(run / "model", (text,))), "does not say what length .* give --length"),
    ):
        with pytest.raises(UserError, match=message):
            action()


def test_a_text_that_cannot_be_read_to_its_end_leaves_no_memory(run: Path, tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_bytes(TEXT.encode() + b"\xff")
    with pytest.raises(UserError, match=f"not UTF-8: byte 0xff at offset {len(TEXT)}"):
        read(Read(run, tmp_path / "1.txt", tmp_path / "m.safetensors", progress="none"))
    assert not (tmp_path / "m.safetensors").exists()


def test_a_memory_of_another_run_is_refused(run: Path, tmp_path: Path) -> None:
    other = save_run(tmp_path / "z", small(seed=1, dtype=__import__("torch").float32))
    (tmp_path / "1.txt").write_text(TEXT)
    read(Read(run, tmp_path / "1.txt", tmp_path / "m.safetensors", progress="none"))
    with pytest.raises(UserError, match="other weights, .* give the model that read it"):
        generate(Generate(other, memory=tmp_path / "m.safetensors"))


def test_there_are_no_bits_a_byte_of_text_that_the_tokenizer_loses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"normalization_rule_name": "nmt_nfkc", "remove_extra_whitespaces": True}
    tokenizer = SentencePieceTokenizer(train_pieces(tmp_path / "small.model", **options))
    run = save_run(tmp_path / "y", small(tokenizer=tokenizer, dtype=torch.float32))
    (tmp_path / "a.txt").write_text("to be\nor not")
    read(Read(run, tmp_path / "a.txt", progress="lines"))
    evaluate(Evaluate(run, (tmp_path / "a.txt",), out=tmp_path / "out", progress="lines"))
    captured = capsys.readouterr()
    assert "bits a byte" not in captured.err
    assert captured.out.count("the tokenizer loses 8.3% of 12 characters") == 2
    content = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert content["text_bytes"] is content["all"]["bits_per_byte_carried"] is None


def test_pairs_are_split_by_how_far_back_and_how_rare_they_are(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    prepare([tmp_path / "a.txt"], ByteTokenizer(), tmp_path / "shards")
    options = {"progress": "none", "out": tmp_path / "out", "window": 8}
    evaluate(Evaluate(run, (tmp_path / "a.txt",), training=tmp_path / "shards", **options))  # type: ignore[arg-type]
    printed = capsys.readouterr().out
    assert "pairs seen fewer than 10 times in training" in printed
    assert "17 to 64" in printed
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["window"] == 8
    prepare([tmp_path / "a.txt"], CharacterTokenizer.build([TEXT]), tmp_path / "others")
    with pytest.raises(UserError, match="--training .*: shards of another tokenizer than the model's"):
        evaluate(Evaluate(run, (tmp_path / "a.txt",), training=tmp_path / "others", progress="none"))

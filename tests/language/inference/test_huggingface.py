"""A run as a Hugging Face folder: the same tokens and numbers there, in the harness, and back here."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from language.cli.main import GROUP
from language.evaluation.harness import Answers
from language.inference.opening import open_model
from language.tokenizers import CharacterTokenizer, Tokenizer, load_tokenizer
from tests.language.making import CORPUS, train_pieces
from tests.language.small_models import save_run, small
from titans_seq.errors import UserError

transformers = pytest.importorskip("transformers", reason="needs transformers: pip install 'titans-seq[hf]'")
pytest.importorskip("tokenizers", reason="needs tokenizers: pip install 'titans-seq[language]'")

TEXT = "It was the best\n\tof  times, naïve 漢字 😀"


@dataclass(frozen=True)
class Asked:
    args: tuple[Any, ...]


def json_tokenizer(folder: Path, special: list[str]) -> Tokenizer:
    library = pytest.importorskip("tokenizers")
    made = library.Tokenizer(library.models.BPE())
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=270, special_tokens=special, initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator([TEXT * 3], trainer)
    made.save(str(folder / "tokenizer.json"))
    return load_tokenizer(folder / "tokenizer.json")


@pytest.mark.parametrize("kind", ["bytes", "characters", "json", "json_without_end"])
def test_tokens_and_logits_are_the_same_there_and_back(tmp_path: Path, kind: str) -> None:
    made = {
        "bytes": lambda: load_tokenizer("bytes"),
        "characters": lambda: CharacterTokenizer.build([TEXT]),
        "json": lambda: json_tokenizer(tmp_path, ["<pad>", "<|endoftext|>"]),
        "json_without_end": lambda: json_tokenizer(tmp_path, []),
    }[kind]()
    run = save_run(tmp_path / "run", small(tokenizer=made, dtype=torch.float32))
    assert GROUP(["export", str(run), "--to", "hf"], "titans lm") == 0
    there = transformers.AutoTokenizer.from_pretrained(run / "hf")
    model = transformers.AutoModelForCausalLM.from_pretrained(run / "hf")
    assert there(TEXT).input_ids == [made.end_of_document, *made.encode(TEXT)]
    assert there.decode(there(TEXT).input_ids, skip_special_tokens=True) == TEXT
    if kind != "characters":
        assert there("a<|endoftext|>").input_ids[1:] == made.encode("a<|endoftext|>")
    batch = there([TEXT, TEXT[:7]], return_tensors="pt", padding=True)
    assert not batch["attention_mask"][1, 0]  # padded at the left
    trained = open_model(run, "cpu")
    with torch.no_grad():
        for row, text in zip(model(**batch).logits, (TEXT, TEXT[:7]), strict=True):
            ids = torch.tensor([[made.end_of_document, *made.encode(text)]])
            expected = trained.model(ids)[0][0]
            torch.testing.assert_close(row[-len(expected) :], expected, atol=1e-5, rtol=1e-5)
    assert GROUP(["export", str(run / "hf"), "--to", "titans", "--out", str(tmp_path / "back")], "titans lm") == 0
    back = open_model(tmp_path / "back", "cpu")
    assert back.tokenizer.info == made.info
    for ours, theirs in zip(back.model.parameters(), trained.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_harness_scores_the_folder_as_our_own_adapter_does(tmp_path: Path) -> None:
    models = pytest.importorskip("lm_eval.models.huggingface", reason="needs titans-seq[harness]")
    run = save_run(tmp_path / "run")
    assert GROUP(["export", str(run), "--to", "hf", "--out", str(tmp_path / "hf")], "titans lm") == 0
    answers = Answers(open_model(run, "cpu"))

    def theirs(**options: Any) -> Any:
        return models.HFLM(pretrained=str(tmp_path / "hf"), device="cpu", batch_size=2, **options)

    pairs = [Asked(("It was", " the best")), Asked(("", "alone")), Asked(("It was the worst of", " times"))]
    for (score, greedy), (expected, known) in zip(
        theirs().loglikelihood(pairs, disable_tqdm=True), answers.loglikelihood(pairs), strict=True
    ):
        assert score == pytest.approx(expected, rel=1e-5)
        assert greedy == known
    settings = {"until": ["\n"], "max_gen_toks": 6, "do_sample": False}
    texts = [Asked(("It was", settings)), Asked(("It was the best of", settings))]
    assert theirs().generate_until(texts, disable_tqdm=True) == answers.generate_until(texts)
    # The harness puts a document's start before whole texts itself.
    whole = [Asked((TEXT * 4,)), Asked(("short",))]
    found = theirs(add_bos_token=False).loglikelihood_rolling(whole, disable_tqdm=True)
    assert found == pytest.approx(answers.loglikelihood_rolling(whole), rel=1e-5)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    run = save_run(tmp_path / "run")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").touch()
    for arguments, message in (
        ([str(run), "--out", str(tmp_path / "full")], "exists and is not empty"),
        ([str(tmp_path / "full"), "--to", "titans"], "no Hugging Face folder"),
    ):
        with pytest.raises(UserError, match=message):
            GROUP(["export", *arguments], "titans lm")


@pytest.mark.parametrize("kind", [OSError, SafetensorError])
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    def full(*_: object, **__: object) -> None:
        raise kind("no space left on device")

    run = save_run(tmp_path / "run")
    monkeypatch.setattr("transformers.modeling_utils.safe_save_file", full)
    with pytest.raises((UserError, OSError), match="no space left"):
        GROUP(["export", str(run), "--out", str(tmp_path / "hf")], "titans lm")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    GROUP(["export", str(save_run(tmp_path / "run")), "--out", str(tmp_path / "hf")], "titans lm")
    back = ["export", str(tmp_path / "hf"), "--to", "titans"]
    weights = tmp_path / "hf" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(UserError, match=r"hf: weights are missing or damaged .*: restore the folder"):
        GROUP(back, "titans lm")
    weights.unlink()
    with pytest.raises(UserError, match=r"hf: weights are missing or damaged .*: restore the folder"):
        GROUP(back, "titans lm")
    (tmp_path / "hf" / "config.json").write_text("[]")
    with pytest.raises(UserError, match="a model of type None, expected 'titans'"):
        GROUP(back, "titans lm")


@pytest.mark.parametrize("options", [{}, {"eos_id": -1}], ids=str)
def test_a_sentencepiece_model_gives_the_same_tokens_there_and_back(tmp_path: Path, options: dict[str, Any]) -> None:
    pytest.importorskip("google.protobuf", reason="needs protobuf: pip install 'titans-seq[hf]'")
    made = load_tokenizer(train_pieces(tmp_path / "tokenizer.model", **options))
    run = save_run(tmp_path / "run", small(tokenizer=made, dtype=torch.float32))
    assert GROUP(["export", str(run)], "titans lm") == 0
    there = transformers.AutoTokenizer.from_pretrained(run / "hf")
    for text in (TEXT, " to be  or\n not</s> <s><0x41><unk>", *(" ".join(CORPUS[:2])).split(" ")):
        ids = there(text).input_ids
        assert ids == [made.end_of_document, *made.encode(text)]
        assert there.decode(ids, skip_special_tokens=True) == made.decode(made.encode(text))
    assert GROUP(["export", str(run / "hf"), "--to", "titans", "--out", str(tmp_path / "back")], "titans lm") == 0
    assert open_model(tmp_path / "back", "cpu").tokenizer.info == made.info


def test_a_unigram_model_is_refused_by_name(tmp_path: Path) -> None:
    pytest.importorskip("google.protobuf", reason="needs protobuf: pip install 'titans-seq[hf]'")
    made = load_tokenizer(train_pieces(tmp_path / "tokenizer.model", model_type="unigram", vocab_size=284))
    run = save_run(tmp_path / "run", small(tokenizer=made, dtype=torch.float32))
    with pytest.raises(UserError, match="not of type bpe .* use the run with titans lm, or train on bytes"):
        GROUP(["export", str(run)], "titans lm")
    assert not (run / "hf").exists()


def test_what_a_sentencepiece_model_needs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    run = save_run(tmp_path / "run", small(tokenizer=load_tokenizer(train_pieces(tmp_path / "tokenizer.model"))))
    with pytest.raises(UserError, match=r"needs the package 'google.protobuf'.*pip install 'titans-seq\[hf\]'"):
        GROUP(["export", str(run)], "titans lm")
    assert not (run / "hf").exists()

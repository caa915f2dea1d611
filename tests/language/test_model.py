"""The Python of language models: text in, text and scores out."""

from pathlib import Path

import pytest
import torch

from language import LanguageModel
from language.training.config import BatchConfig, PretrainConfig
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware

CPU = Hardware("cpu")
TRAINING = PretrainConfig(steps=2, batches=BatchConfig(length=64, tokens=128))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_text("To be, or not to be: that is the question.\n" * 30)
    return path


@pytest.fixture(scope="module")
def fitted(text: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[LanguageModel, Path]:
    out = tmp_path_factory.mktemp("runs") / "x"
    changes = {"model.blocks.0.memory.heads": 2, "training.seed": 5}
    return LanguageModel.fit(
        text, preset="tiny-lmm", training=TRAINING, out=out, hardware=CPU, changes=changes
    ), out  # fmt: skip


def test_text_is_learnt_from_and_settings_are_paths(fitted: tuple[LanguageModel, Path]) -> None:
    model, out = fitted
    assert model.model.config.blocks[0].memory.heads == 2  # pyright: ignore
    assert (model.length, model.tokenizer.vocabulary) == (64, 257)
    assert model.history is not None
    assert model.history.rows[-1]["step"] == 2
    assert (out.parent / "x-shards").is_dir()


def test_it_writes_the_same_with_the_same_seed(fitted: tuple[LanguageModel, Path]) -> None:
    model, _ = fitted
    texts = [model.generate("To be", max_tokens=8, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    with pytest.raises(UserError, match="temperature"):
        model.generate(temperature=-1.0)
    with pytest.raises(UserError, match="no stop string empty"):
        model.generate(stops=("",))


def test_text_is_scored_and_what_is_saved_loads(fitted: tuple[LanguageModel, Path], text: Path, tmp_path: Path) -> None:
    model, out = fitted
    score = model.evaluate([text])
    model.save(tmp_path / "model")
    for folder in (tmp_path / "model", out):
        again = LanguageModel.load(folder, "cpu")
        assert torch.equal(again.model.embedding.weight, model.model.embedding.weight)
        assert again.evaluate([text], length=64) == score
    with pytest.raises(UserError, match="does not say what length it was trained on"):
        LanguageModel.load(tmp_path / "model", "cpu").evaluate([text])


def test_training_goes_on_from_another_model(fitted: tuple[LanguageModel, Path], text: Path) -> None:
    _, out = fitted
    tuned = LanguageModel.fit(out.parent / "x-shards", init=out, training=TRAINING, hardware=CPU)
    assert str(out / "model") in tuned.card
    with pytest.raises(UserError, match="several devices need several processes"):
        LanguageModel.fit(text, hardware=Hardware("cpu", devices=2))

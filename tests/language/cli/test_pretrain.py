import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from language import load_tokenizer, prepare
from language.cli.pretrain import Pretrain, pretrain, resolve
from language.runs.folder import read_run_config
from language.runs.runs import pretrain_run
from language.training.config import Hardware
from titans_seq.errors import UserError
from titans_seq.models.saving import load_model

TEXT = "To be, or not to be: that is the question.\n" * 60


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    (folder / "a.txt").write_text(TEXT)
    prepare([folder / "a.txt"], load_tokenizer("bytes"), folder / "shards", validation=0.1, split_by="position")
    return folder / "shards"


def options(shards: Path, out: Path, **changes) -> Pretrain:
    plain = Pretrain(
        out,
        data=shards,
        preset="tiny-lmm",
        max_steps=2,
        length=32,
        batch_tokens=64,
        checkpoint_every=1,
        accelerator="cpu",
        progress="none",
    )
    return replace(plain, **changes)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def run(shards, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "x"
    pretrain(options(shards, out))
    return out


def test_a_run_folder_holds_everything_and_no_pickle_in_its_model(run):
    assert names(run) == ["checkpoints", "config.yaml", "log.jsonl", "model", "training.png"]
    assert names(run / "model") == ["card.md", "config.yaml", "tokenizer.yaml", "weights.safetensors"]
    config = read_run_config(run)
    assert config.pretrain.model.vocabulary == 257
    assert config.tokenizer.kind == "bytes"
    card = (run / "model" / "card.md").read_text()
    assert "4 of LMM" in card
    assert "bits a byte" in card
    assert (run / "training.png").read_bytes().startswith(b"\x89PNG")


def test_the_model_of_a_run_loads_and_goes_on_where_it_was_left(run):
    tokenizer, model = load_tokenizer(run / "model"), load_model(run)
    assert not model.training
    ids = torch.tensor([tokenizer.encode("To be, or not")])
    whole, _ = model(ids)
    _, state = model(ids[:, :5])
    second, _ = model(ids[:, 5:], state)
    torch.testing.assert_close(second, whole[:, 5:], atol=1e-5, rtol=1e-5)


def test_says_what_came_of_it(shards, tmp_path, capsys):
    pretrain(options(shards, tmp_path / "y"))
    printed = capsys.readouterr().out
    assert printed.startswith("validation loss ")
    assert "bits a byte" in printed
    assert f"titans lm generate {tmp_path / 'y'}" in printed


def test_a_run_that_was_stopped_is_finished_with_resume(shards, run, tmp_path, capsys):
    out = tmp_path / "cut"
    shutil.copytree(run, out)
    shutil.rmtree(out / "model")
    with pytest.raises(UserError, match="was not finished: finish it with `titans lm pretrain --resume"):
        pretrain(options(shards, out))
    pretrain(Pretrain(out, resume=True, accelerator="cpu", progress="none"))
    for name, tensor in load_model(run).state_dict().items():
        assert torch.equal(tensor, load_model(out).state_dict()[name]), name
    pretrain(Pretrain(out, resume=True, accelerator="cpu", progress="none"))  # finished: nothing is left to do


def test_resume_takes_no_other_settings(run):
    with pytest.raises(UserError, match="--resume goes on with the settings stored in the run"):
        pretrain(Pretrain(run, resume=True, max_steps=5))
    with pytest.raises(UserError, match="is not a run folder"):
        pretrain(Pretrain(run / "model" / "nowhere", resume=True))


def test_resume_refuses_changed_data(shards, run, tmp_path):
    out = tmp_path / "cut"
    shutil.copytree(run, out)
    shutil.rmtree(out / "model")
    config = yaml.safe_load((out / "config.yaml").read_text())
    config["fingerprint"] = "0" * 64
    (out / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match="are not those that the run in"):
        pretrain(Pretrain(out, resume=True, accelerator="cpu"))


def test_a_taken_folder_is_refused_or_replaced(shards, run, tmp_path):
    with pytest.raises(UserError, match="already holds a trained model"):
        pretrain(options(shards, run))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="holds other files and no run"):
        pretrain(options(shards, tmp_path / "notes", overwrite=True))
    out = tmp_path / "again"
    shutil.copytree(run, out)
    (out / "mine.txt").write_text("mine")
    pretrain(options(shards, out, overwrite=True, max_steps=1))
    assert (out / "mine.txt").read_text() == "mine"
    assert json.loads((out / "log.jsonl").read_text().splitlines()[0])["step"] == 1


def test_a_failure_before_the_first_checkpoint_leaves_nothing(shards, tmp_path, monkeypatch):
    from language.training.module import LanguageModule

    def broken(self, batch, batch_idx):
        raise RuntimeError("no luck")

    monkeypatch.setattr(LanguageModule, "training_step", broken)
    with pytest.raises(RuntimeError, match="no luck"):
        pretrain(options(shards, tmp_path / "new"))
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": None}, "no data is given"),
        ({"preset": "tiny-rnn"}, "--preset: unknown language model 'tiny-rnn'"),
        ({"max_steps": 0}, "steps must be at least 1"),
        ({"length": 48, "batch_tokens": 96}, "the training length 48 is not a multiple of 32"),
        ({"batch_tokens": 40}, "a step of 40 tokens cannot be made"),
        ({"lr": -1.0}, "lr must be above 0"),
        ({"devices": 0}, "devices must be at least 1"),
        ({"data": Path("/no/such")}, "/no/such"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(shards, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        pretrain(options(shards, tmp_path / "new", **changes))
    assert names(tmp_path) == []


def test_what_is_not_given_is_filled_in(shards, tmp_path):
    config = resolve(options(shards, tmp_path, max_steps=None), shards)
    tokens = len(TEXT) * 0.9
    assert tokens / 64 <= config.steps <= tokens / 64 + 2
    assert config.rows == 2
    assert config.optimiser.lr == 1e-3
    assert resolve(options(shards, tmp_path, preset="tiny-transformer"), shards).mode == "random"


def test_a_model_of_another_vocabulary_is_refused(shards, tmp_path):
    config = resolve(options(shards, tmp_path), shards)
    other = replace(config, model=replace(config.model, vocabulary=100))
    with pytest.raises(UserError, match="has 257 tokens, the model is of 100"):
        pretrain_run(shards, tmp_path / "new", other, hardware=Hardware("cpu"))

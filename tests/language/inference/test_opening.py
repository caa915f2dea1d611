from pathlib import Path

import pytest
import torch

from language.inference.opening import open_model
from language.tokenizers import CharacterTokenizer
from tests.language.small_models import LENGTH, save_run, small
from titans_seq.errors import UserError


def test_a_run_and_its_model_folder_open_alike(tmp_path: Path) -> None:
    made = small(dtype=torch.float32)
    save_run(tmp_path, made)
    ids = torch.tensor([[1, 2, 3]])
    for folder, length in ((tmp_path, LENGTH), (tmp_path / "model", None)):
        opened = open_model(folder, "cpu")
        assert opened.length == length
        assert opened.tokenizer.info == made.tokenizer.info
        assert not opened.model.training
        with torch.no_grad():
            assert torch.equal(opened.model(ids)[0], made.model(ids)[0])


def test_a_run_that_is_not_finished_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("pretrain:\n  steps: 10\n")
    with pytest.raises(UserError, match=r"was not finished \(it has no model/\): finish it with .* --resume --out"):
        open_model(tmp_path)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    save_run(tmp_path)
    CharacterTokenizer("abc").save(tmp_path / "model")
    with pytest.raises(UserError, match="the model has 257 tokens and its tokenizer 4: they do not belong together"):
        open_model(tmp_path)


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    save_run(tmp_path)
    for name in ("abacus", "cuda:99"):
        with pytest.raises(UserError, match=f"no device '{name}' here .* take --device cpu or auto"):
            open_model(tmp_path, name)

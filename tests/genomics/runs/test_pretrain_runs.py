import pytest
import torch

from genomics.runs import load_encoder, pretrain_run, resume_pretrain_run
from genomics.runs.config import PretrainRun
from genomics.tokens import Nucleotides
from genomics.training.config import PretrainConfig
from genomics.training.pretraining import PretrainModule
from tests.genomics.small import encoder, records
from tests.resuming import power_cut, same_weights
from titans_seq.errors import UserError
from titans_seq.experiment.history import History
from titans_seq.experiment.record import read_config
from titans_seq.experiment.settings import Hardware, OptimiserConfig, Runtime

CPU = Runtime(Hardware("cpu"))
CONFIG = PretrainConfig(objective="next", steps=4, length=32, rows=2, optimiser=OptimiserConfig(lr=3e-3), every=2)


def pretrained(out, **options):
    """The model of a run, which the first process alone has."""
    made = pretrain_run(records(), out, encoder(), Nucleotides(), CONFIG, runtime=CPU, **options)
    assert made is not None
    return made


def test_what_a_run_holds(tmp_path):
    out = tmp_path / "run"
    model = pretrained(out, files=("/data/genome.fa.gz",))
    names = sorted(path.name for path in out.iterdir())
    assert names == ["checkpoints", "config.yaml", "log.jsonl", "model"]
    run = read_config(out, PretrainRun)
    assert (run.encoder, run.tokenizer, run.training) == (encoder(), Nucleotides(), CONFIG)
    assert History.read(out / "log.jsonl").best["step"] == 4
    assert "/data/genome.fa.gz" in (out / "model" / "card.md").read_text()
    again, config, tokenizer = load_encoder(out)
    assert (config, tokenizer) == (encoder(), Nucleotides())
    assert same_weights(model, again)


def test_a_stopped_run_is_resumed_to_the_same_weights(tmp_path):
    whole = pretrained(tmp_path / "whole")
    with power_cut(PretrainModule, lambda module, _: module.global_step == 3):
        pretrained(tmp_path / "cut")
    with pytest.raises(UserError, match="not those that the run in .* was started on"):
        resume_pretrain_run(tmp_path / "cut", records(count=2), runtime=CPU)
    resumed = resume_pretrain_run(tmp_path / "cut", records(), runtime=CPU)
    assert resumed is not None
    assert same_weights(whole, resumed)
    assert (tmp_path / "cut" / "log.jsonl").read_text() == (tmp_path / "whole" / "log.jsonl").read_text()
    again = resume_pretrain_run(tmp_path / "cut", records())
    assert again is not None
    assert torch.equal(again.head.weight, whole.head.weight)


def test_a_run_without_data_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="no sequence to pretrain on"):
        pretrain_run([], tmp_path / "run", encoder(), Nucleotides(), CONFIG)
    assert not (tmp_path / "run").exists()

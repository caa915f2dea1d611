import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from genomics.models import ClassifierConfig
from genomics.runs import load_classifier, pretrain_run, resume_run, train_run
from genomics.runs.config import TrainRun, TrainSettings, fingerprint
from genomics.runs.final import train_final
from genomics.runs.folds import train_parts
from genomics.runs.plan import Plan
from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.values import LabelledSequences, Splits
from genomics.tokens import KMers, Nucleotides
from genomics.training.config import PartConfig, PretrainConfig, TrainConfig
from genomics.training.defaults import completed
from genomics.training.module import ClassifierModule
from tests.genomics.small import encoder, labelled, records, splits
from tests.resuming import power_cut, same_weights
from titans_seq.errors import Terminated, UserError
from titans_seq.experiment.history import History
from titans_seq.experiment.record import read_config
from titans_seq.experiment.settings import Hardware, OptimiserConfig, Runtime

CPU = Runtime(Hardware("cpu"))
MODEL = ClassifierConfig(encoder(), "classes", 2)
CONFIG = TrainConfig(epochs=2, rows=16, optimiser=OptimiserConfig(lr=3e-3), seed=7)
DATA = splits()
SEQUENCES = list(DATA.train.sequences)


def trained(out, model=MODEL, config=CONFIG, data=DATA, **options):
    """The model of a run, which the first process alone has."""
    made = train_run(data, out, model, config, runtime=CPU, **options)
    assert made is not None
    return made


def cut_off(out, epoch: int) -> None:
    with power_cut(ClassifierModule, lambda module, _: module.current_epoch == epoch):
        trained(out)


def test_what_a_run_holds(tmp_path):
    out = tmp_path / "run"
    plan = Plan("/data/promoters", seed=7)
    model = train_run(DATA, out, MODEL, CONFIG, plan=plan, runtime=CPU)
    assert model is not None
    assert sorted(path.name for path in out.iterdir()) == ["config.yaml", "log.jsonl", "model"]
    assert sorted(path.name for path in (out / "model").iterdir()) == ["card.md", "config.yaml", "weights.safetensors"]
    saved = yaml.safe_load((out / "model" / "config.yaml").read_text())
    assert saved["classes"] == ["background", "motif"]
    assert saved["dna_classifier"]["tokenizer"] == {"kind": "nucleotides"}
    assert all(tensor.isfinite().all() for tensor in load_file(out / "model" / "weights.safetensors").values())
    run = read_config(out, TrainRun)
    whole = completed(CONFIG, DATA.train, MODEL.tokenizer)
    assert (run.classifier, run.training, run.classes, run.plan) == (MODEL, whole, model.classes, plan)
    assert (run.data.path, run.data.sha256) == ("/data/promoters", fingerprint((DATA.train, DATA.validation)))
    assert {"python", "torch", "titans-seq", "biopython"} <= set(run.origin.versions)
    of_class = {"background": 24, "motif": 24}
    described = {"sequences": 48, "median_length": 32, "of_class": of_class}
    assert run.data.options["parts"]["train"].items() >= described.items()
    history = History.read(out / "log.jsonl")
    assert [row["epoch"] for row in history.rows] == [1, 2]
    assert history.best["epoch"] == history.best_epoch
    card = (out / "model" / "card.md").read_text()
    for fact in ("background, motif", "/data/promoters", run.data.sha256, "seed 7", "single nucleotides"):
        assert fact in card


OLD_RUN = """\
kind: dna_train_run
classifier: {encoder: {dim: 16, blocks: [{kind: lmm}], depth: 1}, kind: classes, outputs: 2}
train: {epochs: 3, rows: 8, optimiser: {lr: 0.002, least: 0.0}, seed: 5}
classes: [a, b]
source:
  data: /data/x.csv
  fingerprint: abc
  options: {reading: {labels_are: classes, window: 200}, test_share: 0.2, folds: 4, fold: 2, seed: 5, groups: true}
init: null
versions: {python: 3.11.9, titans-seq: 0.1.0}
commit: null
"""


def test_the_run_folders_of_earlier_versions_are_read(tmp_path):
    (tmp_path / "config.yaml").write_text(OLD_RUN)
    run = read_config(tmp_path, TrainRun)
    assert (run.training.rows, run.training.least_steps, run.training.seed, run.data.sha256) == (8, 0, 5, "abc")
    assert run.plan is not None
    assert (run.plan.data, run.plan.fold, run.plan.seed) == ("/data/x.csv", 2, 5)
    assert (run.plan.reading.kind, run.plan.reading.window) == ("classes", 200)
    assert (run.plan.parts.folds, run.plan.parts.groups, run.plan.parts.test_share) == (4, True, 0.2)


@pytest.mark.parametrize("source", ["run", "run/model"])
def test_a_saved_model_predicts_as_the_trained_one(tmp_path, source):
    config = replace(MODEL, tokenizer=KMers(3), strands="average", pooling="attention")
    model = trained(tmp_path / "run", config)
    again = load_classifier(tmp_path / source, device="cpu")
    assert (again.classes, again.kind, again.model.config) == (("background", "motif"), "classes", config)
    np.testing.assert_array_equal(again.logits(SEQUENCES), model.logits(SEQUENCES))


@pytest.mark.parametrize("strands", ["given", "augment", "average", "equivariant"])
def test_the_card_says_which_strands_are_read(tmp_path, strands):
    model = trained(tmp_path / "run", replace(MODEL, strands=strands))
    other = model.logits([reverse_complement(sequence) for sequence in SEQUENCES])
    both = bool(np.allclose(model.logits(SEQUENCES), other, atol=1e-5))
    said = next(
        line for line in (tmp_path / "run" / "model" / "card.md").read_text().splitlines() if "strands:" in line
    )
    assert ("mean of both" in said) == both == (strands != "given")
    assert ("random" in said) == (strands == "augment")


def test_a_stopped_run_is_resumed_to_the_same_weights(tmp_path):
    whole = trained(tmp_path / "whole")
    cut_off(tmp_path / "cut", epoch=1)
    with pytest.raises(UserError, match=r"was not finished \(it has no model/\): finish it with --resume"):
        load_classifier(tmp_path / "cut")
    with pytest.raises(UserError, match="was not finished .* finish it with --resume"):
        trained(tmp_path / "cut")
    resumed = resume_run(tmp_path / "cut", DATA, runtime=CPU)
    assert resumed is not None
    assert same_weights(whole.model, resumed.model)
    for name in ("config.yaml", "log.jsonl", "model/card.md"):
        assert (tmp_path / "cut" / name).read_text() == (tmp_path / "whole" / name).read_text()
    finished = resume_run(tmp_path / "cut", DATA)
    assert finished is not None
    np.testing.assert_array_equal(finished.logits(SEQUENCES), whole.logits(SEQUENCES))


def test_a_stop_of_a_later_training_says_that_resuming_begins_it_anew(tmp_path, monkeypatch, capsys):
    trained(tmp_path / "run")
    monkeypatch.setattr(ClassifierModule, "training_step", lambda *_: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Terminated):
        train_final([tmp_path / "run"], DATA, tmp_path / "run", runtime=CPU)
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "stopped at step 0 of the training on all parts; --resume begins that part anew"
    later = []
    monkeypatch.setattr("genomics.runs.folds.train_run", lambda *_, runtime, **more: later.append(runtime.later))
    folds = [(Plan("data", parts=PartConfig(folds=2), fold=number), DATA) for number in (1, 2)]
    train_parts(folds, tmp_path / "cv", TrainSettings(MODEL, CONFIG), runtime=CPU)
    assert later == ["", "fold-2"]


def test_a_run_that_failed_before_its_first_epoch_leaves_nothing(tmp_path):
    cut_off(tmp_path / "run", epoch=0)
    assert not (tmp_path / "run").exists()


def test_other_data_is_not_resumed_with(tmp_path):
    cut_off(tmp_path / "run", epoch=1)
    with pytest.raises(UserError, match="not those that the run in .* was started on"):
        resume_run(tmp_path / "run", splits(train=40))


def test_folders_of_others_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds other files and no run"):
        trained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    trained(tmp_path / "run", config=replace(CONFIG, epochs=1))
    with pytest.raises(UserError, match="already holds a trained model"):
        trained(tmp_path / "run")
    (tmp_path / "run" / "scores.csv").write_text("mine")
    trained(tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "scores.csv").read_text() == "mine"
    with pytest.raises(UserError, match="not a run folder"):
        resume_run(tmp_path / "nothing", DATA)


@pytest.mark.parametrize("directions", ["forward", "both"])
def test_training_begins_with_a_pretrained_encoder(tmp_path, directions):
    pretrained = pretrain_run(
        records(),
        tmp_path / "p",
        encoder(),
        Nucleotides(),
        PretrainConfig(objective="next", steps=2, length=32, rows=2, every=2),
        runtime=CPU,
    )
    assert pretrained is not None
    still = replace(CONFIG, epochs=1, optimiser=OptimiserConfig(lr=1e-12))
    config = replace(MODEL, encoder=encoder(directions=directions))
    model = trained(tmp_path / "run", config, still, init=tmp_path / "p")
    found = model.model.encoder.state_dict()
    for name, tensor in pretrained.encoder.state_dict().items():
        torch.testing.assert_close(found[name], tensor)
    assert read_config(tmp_path / "run", TrainRun).init == str(tmp_path / "p")
    with pytest.raises(UserError, match=r"encoder\.depth was 1, is 2: take the encoder"):
        trained(tmp_path / "a", replace(MODEL, encoder=encoder(depth=2)), init=tmp_path / "p")
    with pytest.raises(UserError, match="take the same tokenizer"):
        trained(tmp_path / "a", replace(MODEL, tokenizer=KMers(3)), init=tmp_path / "p")
    assert not (tmp_path / "a").exists()
    with pytest.raises(UserError, match="it is a pretrained encoder: train a classifier from it with --init"):
        load_classifier(tmp_path / "p")


def test_regressions_and_several_labels_have_runs_too(tmp_path):
    base = labelled(32, 3)
    numbers = LabelledSequences(base.names, base.sequences, np.linspace(90, 110, 32), (), "regression")
    model = trained(tmp_path / "r", ClassifierConfig(encoder(), "regression", 1), data=Splits(numbers))
    assert model.predict_proba(["ACGT"]).shape == (1, 1)
    assert 80 < model.predict_proba(["ACGT"])[0, 0] < 120
    labels = np.stack([base.labels, 1 - base.labels], 1).astype(np.float32)
    several = LabelledSequences(base.names, base.sequences, labels, ("x", "y"), "multilabel")
    model = trained(tmp_path / "m", ClassifierConfig(encoder(), "multilabel", 2), data=Splits(several))
    assert model.classes == ("x", "y")
    parts = read_config(tmp_path / "m", TrainRun).data.options["parts"]
    assert parts["train"]["of_class"] == {"x": 16, "y": 16}


def test_damaged_models_are_refused(tmp_path):
    trained(tmp_path / "run", config=replace(CONFIG, epochs=1))
    model = tmp_path / "run" / "model"
    text = (model / "config.yaml").read_text()
    (model / "config.yaml").write_text(text.replace("- motif\n", ""))
    with pytest.raises(UserError, match="1 classes for 2 outputs"):
        load_classifier(model)
    (model / "config.yaml").write_text(text.replace("dim: 16", "dim: 32"))
    with pytest.raises(UserError, match="not the weights of the model"):
        load_classifier(model)
    (model / "config.yaml").write_text("model: 3\n")
    with pytest.raises(UserError, match="not of a classifier: check the path"):
        load_classifier(model)

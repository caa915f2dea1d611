"""The Python of DNA classifiers: tables and files in, tables and scores out."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from genomics import DNAClassifier, DNAEnsemble
from genomics.evaluation import BootstrapOptions
from genomics.runs.config import TrainRun
from genomics.runs.decision import Decision, write_decision
from genomics.synthetic import planted_motifs
from genomics.training.config import PartConfig, TrainConfig
from titans_seq.errors import UserError
from titans_seq.experiment.record import read_config
from titans_seq.experiment.settings import Hardware

CPU = Hardware("cpu")
QUICK = BootstrapOptions(repeats=0)
DATA = planted_motifs(60, 30, seed=0)
FRAME = pd.DataFrame({"sequence": DATA.sequences, "label": [DATA.classes[label] for label in DATA.labels]})


def fitted(**options) -> DNAClassifier:
    how = {"preset": "tiny", "training": TrainConfig(epochs=1, seed=2), "hardware": CPU}
    return DNAClassifier.fit(options.pop("data", FRAME), **(how | options))


@pytest.fixture(scope="module")
def model() -> DNAClassifier:
    return fitted(strands="average", **{"encoder.directions": "both"})


def test_a_table_is_learnt_from_and_settings_are_paths(model: DNAClassifier) -> None:
    assert model.classes == DATA.classes
    assert (model.model.config.strands, model.model.config.encoder.directions) == ("average", "both")
    assert model.history is not None
    assert model.history.best_epoch == 1
    with pytest.raises(UserError, match="strand: unknown field, expected one of .*; did you mean 'strands'"):
        fitted(strand="average")


def test_the_final_model_has_seen_every_part(tmp_path: Path) -> None:
    parts = PartConfig(final=True)
    alone = fitted(strands="given", parts=parts)
    stored = fitted(strands="given", parts=parts, data=DATA, out=tmp_path / "run")
    assert "trained on 60 sequences" in alone.card
    np.testing.assert_allclose(stored.predict_proba(["ACGTAC"]), alone.predict_proba(["ACGTAC"]), rtol=1e-5)
    np.testing.assert_array_equal(
        DNAClassifier.load(tmp_path / "run" / "final", "cpu").predict_proba(["ACGT"]), stored.predict_proba(["ACGT"])
    )
    with pytest.raises(UserError, match="this classifier has no test part, as it was loaded or trained on all parts"):
        alone.evaluate()


def test_a_kept_decision_is_used_and_saved(model: DNAClassifier, tmp_path: Path) -> None:
    model.save(tmp_path / "a")
    write_decision(tmp_path / "a", Decision(threshold=0.0, temperature=2.0))
    loaded = DNAClassifier.load(tmp_path / "a", "cpu")
    found = loaded.predict(["ACGTACGT"])
    assert found["predicted"].tolist() == ["motif"]
    softened = 1 / (1 + np.exp(-np.diff(model.logits(["ACGTACGT"])[0]) / 2))
    np.testing.assert_allclose(found["probability_motif"], softened, rtol=1e-5)
    scored = loaded.evaluate(DATA, bootstrap=QUICK)
    assert scored.by_class["motif"]["recall"] == 1
    np.testing.assert_allclose(scored.outputs[:, 1], loaded.predict(FRAME)["probability_motif"], rtol=1e-5)
    assert scored.notes == (
        "scored with the decision kept in the run: motif from a probability of 0 on, temperature 2",
    )
    loaded.save(tmp_path / "b")
    assert DNAClassifier.load(tmp_path / "b", "cpu").decision == Decision(0.0, 2.0)


def test_predictions_of_tables_files_and_sequences_are_the_same(model: DNAClassifier, tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">one\nACGTACGTAA\n>two\nggtta\n")
    files = model.predict(tmp_path / "a.fa")
    assert list(files.columns) == ["name", "predicted", "probability_background", "probability_motif"]
    assert files["name"].tolist() == ["one", "two"]
    table = model.predict(pd.DataFrame({"name": ["one", "two"], "sequence": ["ACGTACGTAA", "GGTTA"]}))
    given = model.predict(["ACGTACGTAA", "GGTTA"])
    by_name = model.predict({"one": "ACGTACGTAA", "two": "ggtta"})
    assert by_name["name"].tolist() == ["one", "two"]
    for other in (table, given, by_name):
        np.testing.assert_allclose(other["probability_motif"], files["probability_motif"], rtol=1e-6)


def test_its_own_parts_and_other_data_are_scored(model: DNAClassifier) -> None:
    assert model.evaluate(bootstrap=QUICK).labels.shape == (6,)
    assert model.evaluate("validation", bootstrap=QUICK).labels.shape == (6,)
    assert 0 <= model.evaluate(planted_motifs(20, 30, seed=9), bootstrap=QUICK).scores["accuracy"] <= 1
    with pytest.raises(UserError, match="the data has the class or label 'other'"):
        model.evaluate(FRAME.assign(label=["other", "motif"] * 30), bootstrap=QUICK)


def test_bases_are_explained(model: DNAClassifier) -> None:
    sequence = DATA.sequences[0]
    assert model.explain(sequence).sequence == sequence
    assert model.explain(sequence, "background", method="mutagenesis").target == "background"


def test_a_module_of_one_hot_bases_leaves_the_model_as_it_is(model: DNAClassifier) -> None:
    """Attribution tools put a module back in the mode in which they found it."""
    module = model.one_hot
    x = torch.eye(4)[:, torch.randint(4, (2, 12))].transpose(0, 1)
    before = module(x)
    for one in (module, *module.modules()):
        assert not one.training
    for mode in (False, module.training):
        module.train(mode)
    module(x.requires_grad_())[:, 1].sum().backward()
    assert x.grad is not None
    assert x.grad.any()
    assert torch.equal(module(x), before)


def test_what_is_saved_loads_and_says_what_it_does_not_hold(model: DNAClassifier, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    again = DNAClassifier.load(tmp_path / "model", device="cpu")
    pd.testing.assert_frame_equal(again.predict(["ACGT"]), model.predict(["ACGT"]))
    assert again.card == model.card
    assert "Predicts classes: background, motif" in again.card
    with pytest.raises(UserError, match="this classifier has no test part"):
        again.evaluate()


def test_a_run_folder_repeats_it(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "data.csv", index=False)
    model = fitted(data=tmp_path / "data.csv", out=tmp_path / "run", parts=PartConfig(test_share=0.0))
    run = read_config(tmp_path / "run", TrainRun)
    assert run.plan is not None
    assert (run.plan.data, run.plan.parts.test_share, run.plan.seed) == (str(tmp_path / "data.csv"), 0.0, 2)
    loaded = DNAClassifier.load(tmp_path / "run", device="cpu")
    pd.testing.assert_frame_equal(loaded.predict(["ACGT"]), model.predict(["ACGT"]))
    with pytest.raises(UserError, match="already holds a trained model"):
        fitted(out=tmp_path / "run")


def test_what_cannot_be_read_is_named_by_its_row() -> None:
    with pytest.raises(UserError, match="the DataFrame, row 3"):
        fitted(data=FRAME.assign(sequence=[*FRAME["sequence"][:2], "MKLVWERQEE", *FRAME["sequence"][3:]]))
    with pytest.raises(UserError, match="several devices need several processes: train with titans dna train"):
        fitted(hardware=Hardware("cpu", devices=2))


def test_an_index_of_names_is_kept(model: DNAClassifier) -> None:
    table = FRAME.head(2).set_index(pd.Index(["x", "y"]))
    for given in (table, table["sequence"]):
        assert list(model.predict(given)["name"]) == ["x", "y"]
    assert list(model.predict(table.assign(name=["p", "q"]))["name"]) == ["p", "q"]
    assert list(model.predict(FRAME.head(2))["name"]) == ["1", "2"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ACGTACGT", "'ACGTACGT' is a sequence, not a file: give a list of sequences, even of one"),
        ("ACGT" * 100, "is a sequence, not a file: give a list of sequences, even of one"),
        ([None], "sequence 1: expected text or a record, got NoneType"),
        ({"a": None}, "a: expected text or a record, got NoneType"),
        (pd.DataFrame({"x": ["ACGT"]}), r"the one that holds the sequences \(reading=LoadOptions\(sequence=...\)\)"),
    ],
)
def test_what_is_no_sequence_is_refused_in_words_of_python(model: DNAClassifier, given, message) -> None:
    with pytest.raises(UserError, match=message):
        model.predict(given)


def test_an_ensemble_divides_the_data_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def fit(data: Any, *, parts: PartConfig, **options: Any) -> Any:
        seen.append((data, parts))
        config = SimpleNamespace(strands="given", places=0, words=0)
        return SimpleNamespace(model=SimpleNamespace(config=config), parts=data)

    monkeypatch.setattr(DNAClassifier, "fit", fit)
    monkeypatch.setattr(DNAEnsemble, "__init__", lambda *_, **__: None)
    DNAEnsemble.fit(planted_motifs(30, 30, seed=0), members=2, parts=PartConfig(groups=True))
    assert [parts for _, parts in seen] == [PartConfig()] * 2
    with pytest.raises(UserError, match="an ensemble has members in place of folds"):
        DNAEnsemble.fit(DATA, parts=PartConfig(folds=3))
    splits = seen[0][0]
    assert splits is seen[1][0]
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 30

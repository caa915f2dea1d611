import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from genomics.cli.train import _next
from genomics.evaluation import Evaluation
from genomics.runs import load_classifier
from genomics.runs.comparison import Comparison
from genomics.runs.config import TrainRun
from genomics.runs.stacking import mean_of, read_stack
from genomics.runs.train_runs import train_run
from genomics.runs.trained_on import own_parts, parts_of_all
from tests.genomics.cli.conftest import FAST, TINY, write_table
from titans_seq.experiment.history import History
from titans_seq.experiment.record import read_config


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def models(folder: Path) -> dict:
    return json.loads((folder / "evaluation" / "evaluation.json").read_text())


def test_a_run_holds_the_model_and_its_evaluation_beside_the_baselines(run):
    held = ["check.txt", "config.yaml", "evaluation", "log.jsonl", "model"]
    assert names(run) == held
    pictures = ["calibration.png", "confusion.png", "precision_recall.png", "roc.png"]
    assert names(run / "evaluation") == sorted(["evaluation.json", "evaluation.md", "predictions.csv", *pictures])
    found = models(run)
    expected = ["this model", "majority", "length only", "k-mer regression", "one-hot regression"]
    assert [one["name"] for one in found["models"]] == expected
    assert found["tested_on"] == "test part"
    assert all(one["count"] == 20 and "mcc" in one["intervals"] for one in found["models"])
    assert "| this model |" in (run / "evaluation" / "evaluation.md").read_text()
    assert "length alone: accuracy" in (run / "check.txt").read_text()


def test_says_first_what_the_data_is_and_then_what_came_of_it(trained):
    assert trained.printed.startswith("train: 40 sequences of 30 bases\nvalidation: 16")
    assert "test part: 20 sequences" in trained.printed
    assert f"titans dna predict {trained.out} new.fa" in trained.printed


def test_what_the_data_chose_is_said_and_stored_and_a_better_simple_model_can_predict(titans, tmp_path, fasta):
    from genomics.synthetic import planted_motifs

    data = write_table(tmp_path / "d.csv", planted_motifs(160, 24, 1))
    out = tmp_path / "z"
    options = ("--preset", "tiny", "--lr", "1e-9", "--device", "cpu", "--progress", "none", *FAST)
    code, printed, err = titans("train", data, "--out", out, *options, "--epochs", "1")
    assert (code, err) == (0, "")
    stored = read_config(out, TrainRun)
    strands = stored.classifier.strands
    said = [line for line in printed.splitlines() if line.startswith(f"strands {strands} (held-out loss of linear")]
    assert said == list(stored.chosen[:1])
    assert (stored.training.epochs, stored.training.patience, stored.training.mutations) == (1, 1, 0.05)
    *_, before, command = printed.splitlines()
    assert " is better on the test part: MCC " in before
    assert command.split("--model ")[1] in ("kmers", "positions")
    arguments = command.split()[2:]
    arguments[arguments.index("new.fa")], arguments[arguments.index("scores.csv")] = fasta, tmp_path / "scores.csv"
    assert titans(*arguments, "--progress", "none")[0] == 0
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 4


def test_the_final_model_is_trained_on_every_part_for_as_many_epochs_as_were_best(titans, parts, tmp_path, fasta):
    out = tmp_path / "z"
    options = (*TINY, "--words", "2", "--baselines", "none", "--bootstrap", "0", "--final")
    code, printed, err = titans("train", parts, "--out", out, *options, "--epochs", "2")
    assert (code, err) == (0, "")
    stack = read_stack(out)
    assert stack is not None
    assert stack.describe() in printed.splitlines()
    assert stack.alone == pytest.approx(History.read(out / "log.jsonl").best["validation_loss"], rel=1e-4)
    final = read_stack(out / "final")
    assert final is not None
    assert final == replace(stack, loss=None, alone=None)
    for one, its in ((out, stack), (out / "final", final)):
        assert its.describe() in (one / "model" / "card.md").read_text()
        assert load_classifier(one, "cpu").model.state_dict()["words.weight"].abs().sum() > 0
    assert f"titans dna predict {out / 'final'} new.fa" in printed.splitlines()[-1]
    assert "test part: 20 sequences\n" in printed
    stored, first = read_config(out / "final", TrainRun), History.read(out / "log.jsonl")
    assert stored.data.options["parts"]["train"]["sequences"] == 40 + 16 + 20
    assert stored.training.epochs == first.best_epoch
    assert titans("predict", out / "final", fasta, "--out", tmp_path / "s.csv", "--progress", "none")[0] == 0
    code, _, err = titans("evaluate", out / "final", "--baselines", "none")
    assert (code, "final has no test part: give --part, or labelled sequences" in err) == (2, True)
    code, printed, _ = titans("train", parts, "--out", out, *options[:-1], "--folds", "2", "--final", "--overwrite")
    assert code == 0
    assert names(out) == ["check.txt", "evaluation", "final", "fold-1", "fold-2"]
    both = mean_of([read_stack(out / "fold-1"), read_stack(out / "fold-2")])
    assert read_stack(out / "final") == both
    # The test part is left out of the folds, and not of the final model.
    assert read_config(out / "final", TrainRun).data.options["parts"]["train"]["sequences"] == 40 + 16 + 20


def test_class_weights_leave_no_words(titans, table, tmp_path):
    options = ("--out", tmp_path / "z", "--preset", "tiny", "--dry-run")
    for more, words in (((), 6), (("--class-weights", "balanced"), 0)):
        code, printed, _ = titans("train", table, *options, *more)
        assert (code, yaml.safe_load(printed)["settings"]["classifier"]["words"]) == (0, words)
    code, _, err = titans("train", table, *options, "--class-weights", "balanced", "--set", "classifier.words=3")
    assert (code, "got words 3 and class weights balanced" in err) == (2, True)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--kmer", "3", "--mutations", "0.1"), "this model reads words of 3: leave them out (--mutations 0)"),
        (("--label", "value", "--kind", "regression", "--monitor", "mcc"), "monitor the loss (--monitor loss)"),
        (("--label", "value", "--kind", "regression", "--class-weights", "balanced"), "(--class-weights none)"),
        (("--label", "value", "--label", "value"), "the label 'value' is named twice: give --label once"),
    ],
)
def test_a_dry_run_refuses_what_the_run_would(titans, tmp_path, more, message):
    rows = [f"{'ACGT' * 5}{'ACGT'[number % 4]},{'ab'[number % 2]},{number}" for number in range(24)]
    (tmp_path / "a.csv").write_text("\n".join(["sequence,label,value", *rows]) + "\n")
    options = (*more, "--preset", "tiny", "--strands", "given", "--places", "0", "--out", tmp_path / "z")
    for dry in ((), ("--dry-run",)):
        code, _, err = titans("train", tmp_path / "a.csv", *options, *dry, "--progress", "none")
        assert (code, message in err) == (2, True)
    assert not (tmp_path / "z").exists()


def test_progress_lines_name_epochs_and_baselines(trained):
    assert "epoch 1/1: train loss" in trained.err
    assert "fitting k-mer regression" in trained.err


def test_parts_that_are_missing_are_taken_from_training(titans, table, tmp_path):
    code, out, _ = titans("train", table, "--out", tmp_path / "z", *TINY, "--baselines", "none", "--bootstrap", "0")
    assert code == 0
    parts = read_config(tmp_path / "z", TrainRun).data.options["parts"]
    assert [parts[part]["sequences"] for part in ("train", "validation")] == [48, 6]
    assert "test part: 6 sequences" in out
    options = ("--test-share", "0", "--validation-share", "0.2", "--baselines", "none", "--bootstrap", "0")
    code, out, _ = titans("train", table, "--out", tmp_path / "y", *TINY, *options)
    assert "validation part, by which the model was chosen: 12 sequences" in out


def test_options_reach_the_model_and_the_training(titans, table, tmp_path):
    options = ("--pooling", "attention", "--strands", "equivariant", "--directions", "both", "--mixer", "identity")
    more = ("--kmer", "2", "--lr", "0.01", "--rows", "8", "--seed", "3", "--class-weights", "balanced", "--groups")
    code, *_ = titans("train", table, "--out", tmp_path / "z", *TINY, *options, *more, "--baselines", "none")
    assert code == 0
    config = yaml.safe_load((tmp_path / "z" / "config.yaml").read_text())
    classifier, trained = config["classifier"], config["training"]
    assert (classifier["pooling"], classifier["strands"]) == ("attention", "equivariant")
    assert classifier["encoder"]["directions"] == "both"
    assert classifier["encoder"]["blocks"][0]["kind"] == "identity_block"
    assert (classifier["tokenizer"]["k"], trained["optimiser"]["lr"], trained["rows"]) == (2, 0.01, 8)
    assert (trained["seed"], trained["class_weights"]) == (3, "balanced")
    assert config["plan"]["parts"]["groups"] is True


def test_a_configuration_says_how_data_is_read_and_options_change_it(titans, run, tmp_path):
    rows = "".join(f"{'ACGT' * 3}{base}T,{'ab'[base in 'AC']},{'uv'[base in 'AG']}\n" for base in "ACGT" * 5)
    (tmp_path / "t.csv").write_text("bases,first,second\n" + rows + "protein,a,u\n")
    config = yaml.safe_load((run / "config.yaml").read_text())
    reading = {"sequence": "bases", "labels": ["first"], "skip_bad": True, "window": 8, "edges": "fill"}
    config["plan"] |= {"data": str(tmp_path / "t.csv"), "reading": reading}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    alone = ("train", "--config", tmp_path / "config.yaml", "--out", tmp_path / "z", "--dry-run")

    def plan(*options: object) -> dict:
        code, out, err = titans(*alone, *options)
        assert code == 0, err
        return yaml.safe_load(out)["plan"]

    assert plan()["reading"].items() >= reading.items()
    assert plan(tmp_path / "t.csv")["reading"].items() >= reading.items()
    changed = plan("--label", "second", "--edges", "shift", "--window", "9", "--set", "training.seed=7")
    assert changed["reading"].items() >= (reading | {"labels": ["second"], "edges": "shift", "window": 9}).items()
    assert changed["seed"] == 7
    code, _, err = titans(*alone, "--stem", "none")
    assert (code, "--stem is that of the encoder in --config" in err) == (2, True)


def test_folds_are_runs_of_their_own_and_one_evaluation(titans, table, trained_folds, tmp_path):
    out, printed = shutil.copytree(trained_folds.out, tmp_path / "cv"), trained_folds.printed
    assert names(out) == ["check.txt", "evaluation", "fold-1", "fold-2"]
    assert "2 folds, each held out once: 60 sequences" in printed
    assert "mean and standard deviation over the 2 folds\nthis model: accuracy 0." in printed
    assert set(models(out)["folds"]["this model"]["mcc"]) == {"mean", "deviation", "count"}
    code, _, err = titans("train", table, "--out", out, *TINY, "--folds", "3")
    assert (code, "already holds several runs" in err) == (2, True)
    shutil.rmtree(out / "evaluation")
    shutil.rmtree(out / "fold-2")
    code, again, _ = titans("train", "--resume", "--out", out, "--baselines", "none", "--progress", "none")
    assert code == 0
    table_of = [line for line in printed.splitlines() if line.startswith("this model")]
    assert [line for line in again.splitlines() if line.startswith("this model")] == table_of
    code, *_ = titans("evaluate", out / "fold-2", "--baselines", "none", "--progress", "none")
    assert code == 0


def test_seeds_are_runs_on_the_same_parts_and_their_mean_is_tested(titans, table, tmp_path):
    out = tmp_path / "z"
    options = ("--seeds", "2", "--seed", "4", "--baselines", "none")
    code, printed, _ = titans("train", table, "--out", out, *TINY, *options)
    assert code == 0
    assert names(out) == ["check.txt", "evaluation", "seed-0", "seed-1"]
    assert "test part, by the mean of 2 seeds: 6 sequences" in printed
    first, second = (read_config(out / f"seed-{number}", TrainRun) for number in (0, 1))
    assert (first.training.seed, second.training.seed) == (4, 5)
    assert first.data.sha256 == second.data.sha256
    scores = [line for line in printed.splitlines() if line.startswith("mean of 2 models")]
    code, again, _ = titans("evaluate", out, "--baselines", "none", "--progress", "none")
    assert (code, [line for line in again.splitlines() if line.startswith("mean of 2 models")]) == (0, scores)
    shutil.rmtree(out / "evaluation")
    shutil.rmtree(out / "seed-1")
    code, again, _ = titans("train", "--resume", "--out", out, "--baselines", "none", "--progress", "none")
    assert (code, [line for line in again.splitlines() if line.startswith("mean of 2 models")]) == (0, scores)
    code, _, err = titans("train", table, "--out", tmp_path / "y", *TINY, "--seeds", "2", "--folds", "2")
    assert (code, "leave out one" in err) == (2, True)


def test_a_cross_validation_that_fails_leaves_the_earlier_one(titans, table, trained_folds, tmp_path):
    out = shutil.copytree(trained_folds.out, tmp_path / "cv")
    alone = ("--baselines", "none", "--bootstrap", "0")
    before = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    options = ("--folds", "3", *alone, "--overwrite")
    code, _, err = titans("train", table, "--out", out, *TINY, *options, "--lr", "1e30")
    assert (code, "the training loss became nan" in err) == (2, True)
    assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    (out / "fold-1" / "notes.txt").write_text("mine")
    code, _, err = titans("train", table, "--out", out, *TINY, *options)
    assert (code, "notes.txt was written by no run" in err) == (2, True)
    (out / "fold-1" / "notes.txt").unlink()
    assert titans("train", table, "--out", out, *TINY, *options)[0] == 0
    assert names(out) == ["check.txt", "evaluation", "fold-1", "fold-2", "fold-3"]
    code, printed, _ = titans("evaluate", out, "--baselines", "none")
    assert (code, "test parts of 3 folds: 60 sequences" in printed) == (0, True)


def test_independent_data_of_one_class_is_scored(titans, run, tmp_path):
    (tmp_path / "one.csv").write_text("seq,label\nACGTACGTAA,motif\nACACACACAC,motif\n")
    code, out, _ = titans("evaluate", run, tmp_path / "one.csv", "--baselines", "none", "--bootstrap", "0")
    assert code == 0
    assert "one.csv: 2 sequences" in out
    assert "note: no sequence of class" in out


def test_a_run_that_was_stopped_goes_on_and_is_evaluated(titans, run, parts, tmp_path, monkeypatch):
    out = tmp_path / "cut"

    def stopped(*arguments, **more):
        train_run(*arguments, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr("genomics.runs.folds.train_run", stopped)
    assert titans("train", parts, "--out", out, *TINY)[0] == 130
    monkeypatch.undo()
    assert not (out / "evaluation").exists()
    code, _, err = titans("train", parts, "--out", out, *TINY)
    assert (code, "already holds a trained model" in err) == (2, True)
    code, *_ = titans("train", "--resume", "--out", out, "--baselines", "none", "--progress", "none")
    assert code == 0
    assert models(out)["models"][0]["scores"] == models(run)["models"][0]["scores"]
    code, printed, _ = titans("train", "--resume", "--out", out)
    assert (code, printed.startswith("nothing is left to do")) == (0, True)
    for option in (("--epochs", "3"), ("--seed", "0"), ("data",)):
        code, _, err = titans("train", "--resume", "--out", out, *option)
        message = f"--resume goes on with the settings stored in the run, and would not read {option[0]}: leave out"
        assert (code, message in err) == (2, True)


def test_evaluates_its_own_parts_and_other_data(titans, run, tmp_path):
    code, out, _ = titans("evaluate", run, *FAST, "--progress", "none", "--out", tmp_path / "again")
    assert code == 0
    again = json.loads((tmp_path / "again" / "evaluation.json").read_text())
    assert again["models"] == models(run)["models"]
    code, out, _ = titans("evaluate", run, "--part", "validation", "--baselines", "none")
    assert "validation part: 16 sequences" in out
    other = tmp_path / "other.csv"
    other.write_text("seq,label\nACGTACGTAA,motif\nGGGTTTACCA,background\nACACACACAC,motif\n")
    code, out, _ = titans("evaluate", run, other, "--baselines", "quick", "--bootstrap", "0", "--progress", "none")
    assert code == 0
    assert f"{other}: 3 sequences" in out
    assert "k-mer regression" in out
    other.write_text(other.read_text().replace("background", "none"))
    code, _, err = titans("evaluate", run, other)
    assert code == 2
    assert "the data has the class or label 'none', which the model does not know" in err


def test_evaluation_counts_what_the_model_has_seen(titans, run, parts, tmp_path):
    quick = ("--baselines", "none", "--bootstrap", "0")
    code, out, _ = titans("evaluate", run, parts / "train.csv", *quick, "--out", tmp_path / "seen")
    assert code == 0
    (warning,) = json.loads((tmp_path / "seen" / "evaluation.json").read_text())["warnings"]
    assert warning.startswith("40 of 40 sequences also stand in the training part: the model has seen them")
    assert f"! {warning}" in out
    assert warning in (tmp_path / "seen" / "evaluation.md").read_text()
    code, out, _ = titans("evaluate", run, parts / "test.csv", *quick)
    assert (code, "! " in out) == (0, False)


def test_other_data_is_compared_with_what_all_folds_were_trained_on(titans, trained_folds, table):
    folders = [trained_folds.out / "fold-1", trained_folds.out / "fold-2"]
    trains = [own_parts(folder)[1].train.names for folder in folders]
    first = own_parts(folders[0])[1].validation
    assert first is not None
    _, seen, parts = parts_of_all(folders)
    assert sorted(seen.names) == sorted({*trains[0], *trains[1]})
    assert sorted(parts.train.names) == sorted({*seen.names} - {*first.names})
    assert parts.validation is not None
    assert parts.validation.names == first.names
    code, out, _ = titans("evaluate", trained_folds.out, table, "--baselines", "none")
    assert (code, f"! {len(seen)} of 60 sequences also stand in the training part" in out) == (0, True)


def test_the_test_part_of_other_data_is_scored_and_the_rest_counted(titans, run, parts):
    code, out, _ = titans("evaluate", run, parts, "--baselines", "none")
    said = f"note: the test part of {parts} is scored, and 56 sequences of its other parts are not"
    assert (code, said in out) == (0, True)
    assert f"{parts}: 20 sequences" in out


def test_learning_by_heart_stands_beside_the_scores(titans, table, tmp_path, monkeypatch):
    monkeypatch.setattr("genomics.runs.folds.overfitting", lambda history: f"{len(history.epochs)} epoch by heart")
    alone = ("--baselines", "none", "--bootstrap", "0")
    code, out, _ = titans("train", table, "--out", tmp_path / "z", *TINY, *alone)
    assert (code, "! 1 epoch by heart" in out) == (0, True)
    assert "**1 epoch by heart**" in (tmp_path / "z" / "evaluation" / "evaluation.md").read_text()
    code, out, _ = titans("train", table, "--out", tmp_path / "cv", *TINY, *alone, "--folds", "2")
    assert (code, "! Fold 2: 1 epoch by heart" in out) == (0, True)


def test_evaluation_says_when_the_training_data_is_gone(titans, run, parts, tmp_path):
    out = shutil.copytree(run, tmp_path / "z")
    config = (out / "config.yaml").read_text()
    assert str(parts) in config
    (out / "config.yaml").write_text(config.replace(str(parts), str(tmp_path / "gone")))
    other = ("evaluate", out, parts / "test.csv", "--bootstrap", "0")
    code, out, _ = titans(*other, "--baselines", "none")
    assert (code, "! Whether the model has seen these sequences in training is not known: " in out) == (0, True)
    code, _, err = titans(*other, "--baselines", "quick")
    assert (code, "leave them out with --baselines none" in err) == (2, True)


def test_other_kinds_of_labels(titans, tmp_path):
    from genomics.synthetic import planted_motifs

    made = planted_motifs(40, 30, 0)
    with (tmp_path / "many.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["sequence", "open", "bound", "level"])
        for place, (sequence, label) in enumerate(zip(made.sequences, made.labels, strict=True)):
            writer.writerow([sequence, label, place % 3 == 0, label + place / 40])
    text = (tmp_path / "many.csv").read_text().replace("True", "1").replace("False", "0")
    (tmp_path / "many.csv").write_text(text)
    labels = ("--label", "open", "--label", "bound")
    code, out, err = titans(
        "train", tmp_path / "many.csv", "--out", tmp_path / "m", *TINY, "--baselines", "none", *labels
    )
    assert (code, err) == (0, "")
    assert load_classifier(tmp_path / "m", "cpu").classes == ("open", "bound")
    labels = ("--label", "level", "--kind", "regression")
    code, out, _ = titans("train", tmp_path / "many.csv", "--out", tmp_path / "r", *TINY, *FAST, *labels)
    assert code == 0
    assert "Pearson  Spearman" in out
    assert [one["name"] for one in models(tmp_path / "r")["models"]][1:] == [
        "mean",
        "length only",
        "ridge on k-mers",
        "ridge on positions",
    ]
    assert (tmp_path / "r" / "evaluation" / "scatter.png").is_file()
    (tmp_path / "a.fa").write_text(">one\nACGTACGT\n")
    for name, header in (("m", "probability_open,probability_bound"), ("r", "value")):
        assert titans("predict", tmp_path / name, tmp_path / "a.fa", "--out", tmp_path / f"{name}.csv")[0] == 0
        assert (tmp_path / f"{name}.csv").read_text().splitlines()[0].endswith(f",{header}")
        assert titans("explain", tmp_path / name, tmp_path / "a.fa", "--out", tmp_path / "e", *labels_of(name))[0] == 0


def labels_of(name: str) -> tuple[str, ...]:
    return ("--target", "bound", "--progress", "none") if name == "m" else ("--progress", "none")


def test_records_that_cannot_be_used_are_counted(titans, table, tmp_path):
    text = table.read_text()
    (tmp_path / "bad.csv").write_text(text + "protein,MKLVWERQEE,motif\n")
    code, _, err = titans("train", tmp_path / "bad.csv", "--out", tmp_path / "z", *TINY)
    assert code == 2
    assert err.startswith(f"error: {tmp_path / 'bad.csv'}, row 61")
    options = (*TINY, "--skip-bad", "--baselines", "none")
    code, out, _ = titans("train", tmp_path / "bad.csv", "--out", tmp_path / "z", *options)
    assert code == 0
    assert out.startswith("left out: 1 records that cannot be used\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "no data is given"),
        (("{data}", "--validation-share", "1"), "the validation share must be in (0, 1), got 1.0"),
        (("{data}", "--test-share", "-1"), "the test share must be in [0, 1)"),
        (("{data}", "--folds", "1"), "the number of folds must be at least 2"),
        (("{data}", "--folds", "50"), "class 'background' has 30 sequences"),
        (("{data}", "--epochs", "0"), "epochs must be at least 1"),
        (("{data}", "--lr", "-1"), "lr must be above 0"),
        (("{data}", "--words", "9"), "words must be in [0, 8], got 9"),
        (("{data}", "--words", "2", "--kmer", "3"), "leave words at 0, or let it read single nucleotides"),
        (("{data}", "--words", "2", "--class-weights", "balanced"), "(--words 0 or --class-weights none)"),
        (("{data}", "--kmer", "9"), "k must be in [1, 8]"),
        (("{data}", "--bootstrap", "-1"), "the number of bootstrap draws must be at least 0"),
        (("{data}", "--init", "nowhere"), "nowhere"),
        (("{data}", "--sequence", "dna"), "no column 'dna'"),
        (("{data}", "--kind", "multilabel", "--label", "label"), "must be 0 or 1"),
        (("nowhere.csv",), "nowhere.csv: no such file or folder"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(titans, table, tmp_path, options, message):
    given = [option.format(data=table) for option in options]
    code, _, err = titans("train", *given, "--out", tmp_path / "z", "--preset", "tiny", "--progress", "none")
    assert code == 2
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert names(tmp_path) == []


def test_a_taken_folder_is_refused(titans, table, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = titans("train", table, "--out", tmp_path, *TINY)
    assert code == 2
    assert "holds other files and no run" in err


def test_a_class_for_each_file(titans, tmp_path):
    from genomics.synthetic import planted_motifs

    made = planted_motifs(40, 30, 0)
    for label, name in enumerate(made.classes):
        held = [
            f">{n}\n{s}\n" for n, s, one in zip(made.names, made.sequences, made.labels, strict=True) if one == label
        ]
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / f"{name}.fa").write_text("".join(held))
    code, out, _ = titans("check", tmp_path / "data")
    assert code == 0
    assert "motif          20" in out
    assert write_table(tmp_path / "x.csv", made).is_file()
    assert titans("train", tmp_path / "data", "--out", tmp_path / "z", *TINY, "--baselines", "none")[0] == 0


def evaluated(name: str, mcc: float, count: int) -> Evaluation:
    return Evaluation(
        name, "classes", ("a", "b"), np.zeros(count), np.zeros((count, 2)), {"mcc": mcc}, {}, None, {}, ()
    )


@pytest.mark.parametrize(
    ("ours", "kmers", "members", "count", "beginning", "end"),
    [
        (0.9, 0.8, 0, 100, "next:", "predict 'my z' new.fa --out scores.csv"),
        (0.8, 0.9, 0, 100, "k-mer regression is better on the test part", "--model kmers"),
        (0.05, 0.01, 0, 100, "no model is surely above chance on the test part: the best, ours, has MCC 0.050", "csv"),
        (0.05, 0.06, 0, 10_000, "k-mer regression is better on the test part", "--model kmers"),
        (0.8, 0.9, 1, 100, "next:", "predict 'my z' new.fa --out scores.csv"),  # the better one is a member
    ],
)
def test_the_last_line_says_which_model_to_use(ours, kmers, members, count, beginning, end):
    both = (evaluated("ours", ours, count), evaluated("k-mer regression", kmers, count))
    out = Path("my z")
    said = _next(Comparison(both, members=members), out, out, "test part")
    assert said.startswith(beginning)
    assert said.endswith(end)

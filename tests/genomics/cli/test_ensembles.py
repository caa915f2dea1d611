"""A folder of several runs is one model: every verb takes the mean of its members, or names one."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from genomics import DNAEnsemble
from genomics.explain import mutagenesis
from genomics.runs import load_classifier
from tests.genomics.cli.conftest import train

SEQUENCES = ["ACGTACGTNN", "TTTTACGTGGCA", "GATTACA"]


@pytest.fixture(scope="module")
def seeds(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of two seeds."""
    out = tmp_path_factory.mktemp("seeds") / "z"
    return train(parts, out, "--baselines", "none", "--bootstrap", "0", "--seeds", "2").out


@pytest.fixture
def folds(seeds: Path, tmp_path: Path) -> Path:
    """The same two as if they were folds."""
    for number in (0, 1):
        shutil.copytree(seeds / f"seed-{number}", tmp_path / "folds" / f"fold-{number + 1}")
    return tmp_path / "folds"


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def numbers(rows: list[dict[str, str]]) -> list[list[float]]:
    return [[float(cell) for cell in row.values()] for row in rows]


def members(seeds: Path):
    return [load_classifier(seeds / name, "cpu") for name in ("seed-0", "seed-1")]


def test_explain_gives_the_mean_of_the_members_and_their_spread(titans, seeds, fasta, tmp_path):
    options = ("--record", "three", "--out", tmp_path / "e", "--progress", "none")
    assert titans("explain", seeds, fasta, *options)[0] == 0
    each = np.array([mutagenesis(model, "GATTACA").importance for model in members(seeds)])
    rows = read(tmp_path / "e" / "mutagenesis.csv")
    np.testing.assert_allclose([float(row["importance"]) for row in rows], each.mean(0), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose([float(row["spread"]) for row in rows], each.std(0, ddof=1), rtol=1e-3, atol=1e-5)
    assert "spread" in read(tmp_path / "e" / "saliency.csv")[0]


@pytest.mark.parametrize("name", ["v.csv", "v.vcf"])
def test_variants_have_the_spread_of_the_change(titans, seeds, tmp_path, name):
    (tmp_path / "ref.fa").write_text(">chr1\n" + "ACGTTGCAAT" * 12 + "\n")
    (tmp_path / "calls.vcf").write_text("#CHROM\tPOS\tID\tREF\tALT\n1\t41\trs1\tA\tC\n")
    options = ("--reference", tmp_path / "ref.fa", "--out", tmp_path / name, "--progress", "none")
    assert titans("variants", seeds, tmp_path / "calls.vcf", *options)[0] == 0
    for each in ("seed-0", "seed-1"):
        own = (*options[:3], tmp_path / f"{each}.csv", *options[4:])
        assert titans("variants", seeds / each, tmp_path / "calls.vcf", *own)[0] == 0
    change = [float(read(tmp_path / f"seed-{seed}.csv")[0]["log_odds_change_motif"]) for seed in (0, 1)]
    text = (tmp_path / name).read_text()
    if name.endswith(".csv"):
        (row,) = read(tmp_path / name)
        found = [float(row[f"log_odds_{what}_motif"]) for what in ("change", "change_spread")]
    else:
        fields = dict(one.split("=") for one in text.splitlines()[-1].split("\t")[7].split(";"))
        found = [float(fields[f"TITANS_log_odds_{what}_motif"]) for what in ("change", "change_spread")]
        assert "standard deviation of the change over the models" in text
    np.testing.assert_allclose(found, [np.mean(change), np.std(change, ddof=1)], rtol=1e-3, atol=1e-5)


def test_marginalise_has_the_spread_of_the_members(titans, seeds, tmp_path):
    options = ("--motif", "GATTACA", "--with", "ACG", "--spacing", "0:2", "--most", "5", "--progress", "none")
    code, printed, _ = titans("marginalise", seeds, *options, "--out", tmp_path / "m")
    assert (code, "spread of the models" in printed) == (0, True)
    means = []
    for each in ("seed-0", "seed-1"):
        assert titans("marginalise", seeds / each, *options, "--out", tmp_path / each)[0] == 0
        means.append(float(read(tmp_path / each / "effects.csv")[0]["effect"]))
    row = read(tmp_path / "m" / "effects.csv")[0]
    np.testing.assert_allclose(
        [float(row["effect"]), float(row["spread"])], [np.mean(means), np.std(means, ddof=1)], rtol=1e-3, atol=1e-5
    )
    assert "spread" in read(tmp_path / "m" / "spacing.csv")[0]
    assert "spread" not in read(tmp_path / "seed-0" / "effects.csv")[0]


def test_a_decision_of_the_mean_is_kept_and_used(titans, seeds, parts, fasta, tmp_path):
    kept = tmp_path / "z"
    shutil.copytree(seeds, kept)
    assert titans("predict", kept, fasta, "--out", tmp_path / "a.csv", "--progress", "none")[0] == 0
    assert titans("decide", kept, "--by", "recall=1", "--progress", "none")[0] == 0
    decision = json.loads((kept / "decision.json").read_text())
    assert titans("predict", kept, fasta, "--out", tmp_path / "b.csv", "--progress", "none")[0] == 0
    before, after = (
        np.array([float(row["probability_motif"]) for row in read(tmp_path / name)]) for name in ("a.csv", "b.csv")
    )
    np.testing.assert_allclose(
        np.log(after / (1 - after)), np.log(before / (1 - before)) / decision["temperature"], rtol=1e-3, atol=1e-4
    )
    for row in read(tmp_path / "b.csv"):
        assert (row["predicted"] == "motif") == (float(row["probability_motif"]) >= decision["threshold"])
        assert float(row["spread_motif"]) > 0
    test, to = parts / "test.csv", tmp_path / "v"
    _, printed, _ = titans("evaluate", kept, test, "--baselines", "none", "--out", to, "--progress", "none")
    assert "scored with the decision kept in the run (recall=1, on validation)" in printed
    model = DNAEnsemble.load(kept, "cpu")
    mean, *members = json.loads((to / "evaluation.json").read_text())["models"]
    assert mean["scores"] == pytest.approx(dict(model.evaluate(test).scores), rel=1e-4)
    called = [row["label"] == row["predicted"] for row in read(to / "predictions.csv")]
    assert np.mean(called) == mean["scores"]["accuracy"]
    assert [one["notes"] for one in members] == [[], []]
    frame = model.predict(fasta)
    np.testing.assert_allclose(frame["probability_motif"], after, rtol=1e-4)


def test_a_training_that_was_stopped_between_its_runs_is_no_ensemble(titans, seeds, fasta, tmp_path):
    stopped = tmp_path / "z"
    shutil.copytree(seeds / "seed-0", stopped / "seed-0")
    for verb, *given in (("predict", fasta), ("embed", fasta), ("evaluate",)):
        code, _, err = titans(verb, stopped, *given, "--out", tmp_path / "a.csv", "--progress", "none")
        assert (code, "z were not finished (1 of 2 have begun): finish them with --resume" in err) == (2, True)


def test_evaluate_scores_the_mean_beside_its_members(titans, seeds, tmp_path):
    options = ("--baselines", "quick", "--out", tmp_path / "e", "--progress", "none")
    code, printed, _ = titans("evaluate", seeds, *options)
    assert code == 0
    models = json.loads((tmp_path / "e" / "evaluation.json").read_text())["models"]
    assert [one["name"] for one in models[:3]] == ["mean of 2 models", "seed-0", "seed-1"]
    assert [one["name"] for one in models[3:]] == ["majority", "length only", "k-mer regression", "one-hot regression"]
    assert "test part: 20 sequences" in printed


def test_folds_are_scored_where_each_holds_data_out(titans, folds):
    code, printed, _ = titans("evaluate", folds, "--baselines", "none", "--progress", "none")
    assert (code, "test parts of 2 folds: 40 sequences" in printed) == (0, True)


def test_a_threshold_of_folds_names_a_member(titans, folds):
    code, _, err = titans("decide", folds)
    wanted = "each fold was trained on what the others hold out" in err and str(folds / "fold-1") in err
    assert (code, wanted) == (2, True)


def test_features_of_the_members_stand_side_by_side(titans, seeds, fasta, tmp_path):
    assert titans("embed", seeds, fasta, "--out", tmp_path / "f.csv", "--progress", "none")[0] == 0
    rows = read(tmp_path / "f.csv")
    assert [row.pop("name") for row in rows] == ["one", "two", "three"]
    assert list(rows[0])[0] == "seed-0_feature_1"
    expected = np.concatenate([model.embed(SEQUENCES) for model in members(seeds)], 1)
    np.testing.assert_allclose(numbers(rows), expected, rtol=1e-4, atol=1e-5)
    assert titans("embed", seeds, fasta, "--out", tmp_path / "f.csv", "--per-step", "--progress", "none")[0] == 0
    steps = [row for row in read(tmp_path / "f.csv") if row.pop("name") == "two"]
    assert [row.pop("position") for row in steps] == ["1", "10"]
    expected = np.concatenate([np.concatenate(list(model.embed_steps(SEQUENCES[1]))) for model in members(seeds)], 1)
    np.testing.assert_allclose(
        [[float(cell) for cell in row.values()] for row in steps], expected, rtol=1e-4, atol=1e-5
    )


def test_in_python(seeds, parts, tmp_path):
    ensemble = DNAEnsemble.load(seeds, "cpu")
    each = np.array([model.predict_proba(SEQUENCES) for model in members(seeds)])
    table = ensemble.predict(SEQUENCES)
    np.testing.assert_allclose(table["probability_motif"], each.mean(0)[:, 1], rtol=1e-6)
    np.testing.assert_allclose(table["spread_motif"], each.std(0, ddof=1)[:, 1], rtol=1e-6)
    assert list(table["name"]) == ["sequence 1", "sequence 2", "sequence 3"]
    np.testing.assert_allclose(
        ensemble.explain("GATTACA").importance,
        np.mean([DNAEnsemble([model]).explain("GATTACA").importance for model in members(seeds)], 0),
        rtol=1e-6,
    )
    assert ensemble.evaluate(parts).labels.shape == (20,)
    ensemble.save(tmp_path / "saved")
    DNAEnsemble(members(seeds)[:1]).save(tmp_path / "saved")
    again = DNAEnsemble.load(tmp_path / "saved", "cpu")
    assert (len(again.models), again.names) == (1, ("seed-0",))

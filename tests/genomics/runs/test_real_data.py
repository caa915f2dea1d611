"""Real sequences of unlike lengths, from file to prediction; skipped where the data is absent."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from genomics.models import ClassifierConfig
from genomics.runs import load_classifier, train_run
from genomics.sequences.values import LabelledSequences, Splits
from genomics.training.config import TrainConfig
from tests.genomics.small import encoder
from titans_seq.experiment.settings import Hardware, Runtime


def part(path: Path, count: int) -> LabelledSequences:
    with gzip.open(path, "rt") as stream:
        rows = [row for _, row in zip(range(count), csv.DictReader(stream), strict=False)]
    labels = np.array([int(row["label"]) for row in rows])
    names = tuple(map(str, range(len(rows))))
    return LabelledSequences(names, tuple(row["sequence"] for row in rows), labels, ("0", "1"), "classes")


def test_promoters_are_trained_on_and_predicted(shared_data: Path, tmp_path: Path):
    folder = shared_data / "dna" / "gue" / "prom_core_tata"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}, which this machine does not have")
    splits = Splits(part(folder / "train.csv.gz", 300), part(folder / "dev.csv.gz", 60))
    config = ClassifierConfig(encoder(directions="both"), "classes", 2, strands="average")
    trained = train_run(splits, tmp_path / "run", config, TrainConfig(epochs=1), runtime=Runtime(Hardware("cpu")))
    assert trained is not None
    held_out = splits.validation
    assert held_out is not None
    proba = load_classifier(tmp_path / "run", device="cpu").predict_proba(held_out.sequences)
    np.testing.assert_allclose(proba, trained.predict_proba(held_out.sequences), atol=1e-6)
    assert proba.shape == (60, 2)
    assert np.isfinite(proba).all()

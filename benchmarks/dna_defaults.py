"""Defaults on every set: `titans dna train SET` without an option, beside the simple models that it prints.

    python -m benchmarks.dna_defaults                      # all sets, the small ones first; hours on one core
    python -m benchmarks.dna_defaults --sets uci_splice mouse_3 --out /tmp/rows.jsonl

Each set is trained by the command itself, in a process of its own. Its test part is the published one where that is at
hand, else what the command holds out. It is read once, at the end, by the model and the baselines alike. A set that has
a row of today's defaults is not trained again; the table has the last row of each set, and says whether linear models
were stacked in it.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmarks.results_file import read_json
from genomics.models.classifier import ClassifierConfig
from genomics.runs.building import new_encoder, new_tokenizer
from genomics.runs.config import PACKAGES, TrainRun
from genomics.runs.stacking import read_stack
from genomics.training.config import TrainConfig
from titans_seq import tables
from titans_seq.config import to_dict
from titans_seq.errors import UserError, choose
from titans_seq.experiment.history import LOG, History
from titans_seq.experiment.record import read_config
from titans_seq.experiment.rows import agrees, made_by
from titans_seq.jsonl import append_row, read_rows

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "dna" / "defaults.jsonl"
DATA = HERE.parents[1] / "shared" / "data" / "dna"

MODELS = ("this model", "k-mer regression", "one-hot regression", "small CNN")

DEFAULTS = {
    "classifier": to_dict(ClassifierConfig(new_encoder(), "classes", 2, new_tokenizer())),
    "training": to_dict(TrainConfig()),
}
"""Today's, before the data of a set changes them."""

Row = Mapping[str, Any]
Layout = str | Mapping[str, str]


def _classes(folder: str, part: str, **files: str) -> dict[str, str]:
    return {f"{part}/{name}.fa.gz": f"{folder}/{file}.fa.gz" for name, file in files.items()}


def _folder(name: str, train: str = "train") -> dict[str, str]:
    return {"train.csv.gz": f"{name}/{train}.csv.gz", "test.csv.gz": f"{name}/test.csv.gz"}


_SIGMA = {f"sigma{number}": f"sigma{number}promoter" for number in (24, 28, 32, 38, 54, 70)}

SETS: dict[str, Layout] = {
    "liu_strength": _classes("liu_enhancers", "train", strong="strong_742", weak="weak_742")
    | _classes("liu_enhancers", "test", strong="strong_100", weak="weak_100"),
    "mouse_3": "gue/mouse_3",
    "uci_splice": "uci_splice/splice.csv.gz",
    "mouse_2": "gue/mouse_2",
    "ecoli_sigma": _classes("ecoli_sigma_promoters", ".", **_SIGMA),
    "5hmC_M.musculus": "methylation/5hmC_M.musculus",
    "liu_enhancers": _classes("liu_enhancers", "train", enhancer="enhancer.cv", non="non.cv")
    | _classes("liu_enhancers", "test", enhancer="enhancer.ind", non="non.ind"),
    "prom_core_tata": "gue/prom_core_tata",
    "human_ocr_ensembl": "genomic_benchmarks/human_ocr_ensembl_subset/train.csv.gz",
    "EMP_H3": _folder("gue_partial/EMP_H3", "dev"),
    "EMP_H4": _folder("gue_partial/EMP_H4", "dev"),
    "ecoli_promoters": _classes("ecoli_sigma_promoters", ".", promoter="positive2860", other="negative2860"),
    "human_ensembl_regulatory": "genomic_benchmarks/human_ensembl_regulatory_subset/train.csv.gz",
    "prom_300_notata": _folder("gue_partial/prom_300_notata", "dev"),
    "splice_reconstructed": _folder("gue_partial/splice_reconstructed", "dev"),
    "6mA_H.sapiens": "methylation/6mA_H.sapiens",
    "human_nontata_promoters": "genomic_benchmarks/human_nontata_promoters/test.csv.gz",
    "human_enhancers_cohn": "genomic_benchmarks/human_enhancers_cohn/test.csv.gz",
    "tf_3": "gue/tf_3",
    "tf_1": "gue/tf_1",
    "tf_0": "gue/tf_0",
    "prom_core_notata": "gue/prom_core_notata",
    "prom_core_all": "gue/prom_core_all",
    "deepsea_sample": "multilabel_sample/deepsea_100x8000bp_919labels.csv.gz",
}
"""Where each set lies, or which of its files are to lie where; by time of training, the shortest first."""


@dataclass(frozen=True)
class Arguments:
    """Train what has no row yet.

    Args:
        sets: by name; all if none is given.
        data_dir: folder that holds them.
        out: rows, one JSON object a line.
    """

    sets: tuple[str, ...] = ()
    data_dir: Path = DATA
    out: Path = RESULTS


def laid_out(layout: Layout, data_dir: Path, folder: Path) -> Path:
    """Return what the command is given: a path as it is, or a folder with copies of the files.

    Raises:
        UserError: if a file is not there.
    """
    files = {"": layout} if isinstance(layout, str) else layout
    for source in files.values():
        if not (data_dir / source).exists():
            raise UserError(f"{data_dir / source}: not there: give --data-dir the folder that has {source} in it")
    if isinstance(layout, str):
        return data_dir / layout
    for target, source in layout.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data_dir / source, folder / target)
    return folder


def measure(layout: Layout, data_dir: Path) -> dict[str, Any]:
    """Train one set in a process of its own, and return what it came to.

    Raises:
        UserError: if the command fails, with what it said.
    """
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary, "run")
        data = laid_out(layout, data_dir, Path(temporary, "data"))
        before = _cpu_seconds()
        command = [sys.executable, "-m", "titans_seq.cli", "dna", "train", str(data), "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        if done.returncode:
            raise UserError(f"titans dna train {data} failed: {done.stderr.strip()[-500:]}")
        return {**_found(out), "cpu_seconds": round(_cpu_seconds() - before)}


def _found(out: Path) -> dict[str, Any]:
    run, history = read_config(out, TrainRun), History.read(out / LOG)
    evaluation = read_json(out / "evaluation" / "evaluation.json")
    scores = {one["name"]: one["scores"] for one in evaluation["models"]}
    return {
        "parts": run.data.options["parts"],
        "tested": evaluation["models"][0]["count"],
        "sha256": run.data.sha256,
        "defaults": DEFAULTS,
        "strands": run.classifier.strands,
        "training": {name: getattr(run.training, name) for name in ("epochs", "patience", "mutations")},
        "epochs": len(history.epochs),
        "best_epoch": history.best_epoch,
        "stack": None if (stack := read_stack(out)) is None else to_dict(stack),
        "validation": {name: history.best[name] for name in ("validation_loss", "validation_mcc")},
        "test": {name: scores[name] for name in MODELS},
        **made_by(PACKAGES, "genomics", "titans_seq"),
    }


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def is_current(row: Row) -> bool:
    """Whether a row is of today's defaults: one without a stack is from before linear models were stacked."""
    return "stack" in row and agrees(row.get("defaults", DEFAULTS), DEFAULTS)


def table(rows: Sequence[Row]) -> str:
    """The test MCC of each set's last row, what was chosen, and how often ours is above each baseline."""
    if not rows:
        return "No set has been trained yet."
    plain = {row["set"]: row for row in rows if not row.get("stack")}
    rows = list({row["set"]: row for row in rows}.values())
    head = [
        "test MCC",
        "Titans",
        *MODELS[1:],
        "stacked",
        "strands",
        "epochs",
        "training / test sequences",
        "CPU seconds, all models",
    ]
    lines, scores = [head], []
    for row in sorted(rows, key=lambda row: list(SETS).index(row["set"])):
        found = [row["test"][name]["mcc"] for name in MODELS]
        scores.append(found)
        best = max(found)
        cells = [f"**{score:.3f}**" if score == best else f"{score:.3f}" for score in found]
        counts = f"{row['parts']['train']['sequences']:,} / {row['tested']:,}"
        stacked = "yes" if row.get("stack") else "no"
        chosen = [stacked, row["strands"], f"{row['epochs']}"]
        lines.append([row["set"], *cells, *chosen, counts, f"{row['cpu_seconds']:,}"])
    held = np.array(scores)
    lines.append([f"mean of {len(rows)}", *(f"{score:.3f}" for score in held.mean(0)), "", "", "", "", ""])
    wins = [f"{name} on {(held[:, 0] > held[:, 1 + number]).sum()}" for number, name in enumerate(MODELS[1:])]
    said = f"Of {len(rows)} sets ours is above the {', the '.join(wins)}. One seed."
    return f"{tables.markdown(lines)}\n\n{said}{_worth_of_stacking(rows, plain)}"


def _worth_of_stacking(rows: Sequence[Row], plain: Mapping[str, Row]) -> str:
    """Say what linear models change: of sets that were run without them too, and of the validation loss."""
    stacked = [row for row in rows if row.get("stack")]
    both = [row for row in stacked if row["set"] in plain]
    if not both:
        return ""
    before, now = (
        np.mean([row["test"][MODELS[0]]["mcc"] for row in some]) for some in ([plain[row["set"]] for row in both], both)
    )
    share = np.mean([row["stack"]["loss"] / row["stack"]["alone"] for row in stacked])
    return (
        f" {len(both)} of the stacked sets were run without as well: mean MCC {before:.3f}, with it {now:.3f}. "
        f"Stacking takes the validation loss to {share:.2f} of the network's, on average."
    )


def main(arguments: Arguments) -> None:
    """Train the sets that are asked for, add a row for each, and print the table."""
    for name in arguments.sets:
        choose(name, SETS, "set")
    for name, layout in SETS.items():
        if not arguments.sets or name in arguments.sets:
            print(f"{name} ...", flush=True)
            if not any(row["set"] == name and is_current(row) for row in read_rows(arguments.out)):
                append_row(arguments.out, {"set": name, "seed": 0, **measure(layout, arguments.data_dir)})
    print(table(read_rows(arguments.out)))


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))

"""Two processes over gloo, as `--devices 2` starts them, against one."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from titans_seq.experiment.history import LOG, History

SCRIPT = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from genomics.models import ClassifierConfig
from genomics.tokens import Nucleotides
from genomics.training.config import PretrainConfig, TrainConfig
from genomics.models.untrained import new_classifier
from genomics.training.fitting import fit
from genomics.training.pretraining import new_pretrain_model, pretrain
from genomics.training.windows import Genome
from tests.genomics.small import encoder, records, splits
from titans_seq.experiment.processes import is_first_process
from titans_seq.experiment.settings import Hardware, OptimiserConfig, Runtime

what, strategy, devices, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
torch.set_num_threads(1)
runtime, optimiser = Runtime(Hardware("cpu", devices, strategy)), OptimiserConfig(lr=3e-3)
if what == "train":
    # An odd number of rows, and batches of one: a process may have none.
    data = splits(train=21, validation=9)
    # Each process draws mutations and dropout for its own rows.
    config = TrainConfig(epochs=2, rows=5, optimiser=optimiser, class_weights="balanced", mutations=0.0)
    model = new_classifier(ClassifierConfig(encoder(), "classes", 2), 0)
    model.dropout.p = model.encoder.dropout.p = 0.0
    fit(model, data.train, data.validation, config, folder=out, runtime=runtime)
else:
    config = PretrainConfig(steps=4, length=32, rows=3, every=2, optimiser=optimiser)
    model = new_pretrain_model(encoder(directions="both"), Nucleotides(), config)
    model.encoder.dropout.p = 0.0
    pretrain(model, Genome(records(), Nucleotides(), 0.1), config, out, runtime=runtime)
if is_first_process():
    save_file({name: x.clone() for name, x in model.state_dict().items()}, out / "trained.safetensors")
"""


def run(what: str, folder: Path, repository: Path, strategy: str, devices: int) -> None:
    # The processes run the same command again, which needs a file.
    script = folder.parent / "script.py"
    script.write_text(SCRIPT)
    environment = {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, script, what, strategy, str(devices), folder]
    done = subprocess.run(command, cwd=folder.parent, env=environment, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize(("what", "strategy"), [("train", "ddp"), ("train", "fsdp"), ("pretrain", "ddp")])
def test_two_processes_train_what_one_trains(tmp_path: Path, repository: Path, what: str, strategy: str) -> None:
    run(what, tmp_path / "one", repository, "auto", 1)
    run(what, tmp_path / "two", repository, strategy, 2)
    one, two = (load_file(tmp_path / name / "trained.safetensors") for name in ("one", "two"))
    for name, expected in one.items():
        torch.testing.assert_close(two[name], expected, atol=1e-5, rtol=0, msg=name)
    logs = [History.read(tmp_path / name / LOG).rows for name in ("one", "two")]
    for alone, shared in zip(*logs, strict=True):
        assert alone.keys() == shared.keys()
        assert all(alone[name] == pytest.approx(shared[name], abs=1e-4) for name in alone)

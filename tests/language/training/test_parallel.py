"""Two processes over gloo, as `--devices 2` starts them."""

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
from language.training.config import BatchConfig, PretrainConfig, RecordConfig
from language.training.module import LanguageModule
from language.training.pretraining import new_model, pretrain_model
from tests.language.training.conftest import MODEL, documents
from titans_seq.experiment.settings import Hardware, OptimiserConfig, Runtime

strategy, devices, out, stop = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(1)
original = LanguageModule.training_step

def training_step(self, batch, number):
    if self.global_step == stop:
        raise RuntimeError("power cut")
    return original(self, batch, number)

LanguageModule.training_step = training_step
config = PretrainConfig(
    steps=6, optimiser=OptimiserConfig(lr=3e-3, warmup=0.34),
    batches=BatchConfig(length=16, rows=4 // devices, tokens=128),
    records=RecordConfig(validate_every=4, checkpoint_every=2, log_every=2),
)
trained, _ = pretrain_model(
    new_model(MODEL, config), config, documents(60, seed=0), documents(8, seed=1), out,
    runtime=Runtime(Hardware("cpu", devices, strategy)), resume=True,
)
if trained is not None:
    save_file({name: x.clone() for name, x in trained.state_dict().items()}, out / "trained.safetensors")
"""


def run(folder: Path, repository: Path, strategy: str, devices: int, stop: int = -1) -> int:
    # The processes run the same command again, which needs a file.
    script = folder.parent / "script.py"
    script.write_text(SCRIPT)
    environment = {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, script, strategy, str(devices), folder, str(stop)]
    return subprocess.run(command, cwd=folder.parent, env=environment, timeout=300, capture_output=True).returncode


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_train_what_one_trains_and_resume_bit_for_bit(tmp_path, repository, strategy):
    assert run(tmp_path / "one", repository, "auto", 1) == 0
    assert run(tmp_path / "two", repository, strategy, 2) == 0
    assert run(tmp_path / "cut", repository, strategy, 2, stop=5) != 0
    assert not (tmp_path / "cut" / "trained.safetensors").exists()
    assert run(tmp_path / "cut", repository, strategy, 2) == 0
    one, two, cut = (load_file(tmp_path / name / "trained.safetensors") for name in ("one", "two", "cut"))
    for name, expected in one.items():
        torch.testing.assert_close(two[name], expected, atol=1e-5, rtol=0, msg=name)
        assert torch.equal(cut[name], two[name]), name
    logs = [History.read(tmp_path / name / LOG).rows for name in ("one", "two")]
    for one, two in zip(*logs, strict=True):  # the loss and the targets of all processes
        assert one.get("loss") == pytest.approx(two.get("loss"), abs=1e-5)
        assert one.get("tokens") == two.get("tokens")

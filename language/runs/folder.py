"""What a pretraining run keeps in its folder."""

from dataclasses import dataclass, field

from titans_seq.experiment.provenance import versions_of
from titans_seq.experiment.run_folder import CHECKPOINTS, RunLayout

from ..tokenizers import TokenizerInfo
from ..training.config import LOG, PretrainConfig

PICTURE = "training.png"
RUNS = RunLayout((CHECKPOINTS,), (LOG, PICTURE), finish="`titans lm pretrain --resume --out {out}`")
_PACKAGES = ("torch", "lightning", "numpy")


@dataclass(frozen=True)
class RunConfig:
    """Everything to repeat a run.

    Attributes:
        pretrain: model and training.
        data: absolute path of the folder of token shards.
        fingerprint: of the tokens trained on.
        tokenizer: which the tokens are of.
        versions: of Python and the packages, by name.
    """

    pretrain: PretrainConfig
    data: str
    fingerprint: str
    tokenizer: TokenizerInfo
    versions: dict[str, str] = field(default_factory=lambda: versions_of(*_PACKAGES))

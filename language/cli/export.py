"""`titans lm export`: a trained model in another library's form, and back."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional


@dataclass(frozen=True)
class Export:
    """Write a trained model as a Hugging Face folder, or such a folder as one of ours."""

    model: Positional[Path]
    """Folder of a trained run; with --to titans, a Hugging Face folder."""
    to: Literal["hf", "titans"] = "hf"
    """hf: for transformers, after `import titans_seq.hf`. titans: for every command of `titans lm`."""
    out: Path | None = None
    """Where; the folder `hf` or `titans` inside PATH if not given."""


def export(options: Export) -> None:
    """Write the folder and say how it is loaded."""
    from ..inference.huggingface import export_to_hf, import_from_hf
    from ..inference.opening import open_model

    out = options.out or options.model / options.to
    if options.to == "titans":
        import_from_hf(options.model, out)
        print(f"{out}: a model folder; try titans lm generate {shlex.quote(str(out))}")
        return
    export_to_hf(open_model(options.model, "cpu"), out)
    print(f"{out}: import titans_seq.hf, then transformers.AutoModelForCausalLM.from_pretrained({str(out)!r})")

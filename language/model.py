"""`LanguageModel`: a language model from text, in Python."""

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from titans_seq.checkpoint import CARD
from titans_seq.errors import UserError
from titans_seq.experiment.history import LOG, History
from titans_seq.experiment.overrides import override
from titans_seq.experiment.settings import ONE_DEVICE, Hardware, Runtime
from titans_seq.files import read_text
from titans_seq.models import CausalLM, Sampling, language_model
from titans_seq.models.saving import MODEL, save_model
from titans_seq.progress import Progress

from .data.manifest import MANIFEST, read_manifest
from .data.shards import prepare
from .evaluation.perplexity import Evaluation, evaluate_texts
from .inference.generation import continue_text
from .inference.opening import TrainedModel, open_model
from .inference.reading import Context, read_all
from .inference.text import TextTokens
from .runs.config import Settings
from .runs.runs import new_run, pretrain_run
from .tokenizers import Tokenizer, load_tokenizer
from .training.config import PretrainConfig, training_preset

Texts = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""Paths of text files and folders, or one folder of token shards that `prepare` made."""


class LanguageModel:
    """Fit, save and load a language model, generate text with it, and evaluate it.

    Args:
        model: in evaluation mode.
        tokenizer: which its tokens are of.
        length: tokens of the segments that it was trained on; None where that is not known.
        card: a short description, as Markdown, which is saved beside the weights.
        history: of its training, where that is known.

    Example:
        >>> folder = tempfile.TemporaryDirectory()
        >>> text = Path(folder.name, "a.txt")
        >>> _ = text.write_text("To be, or not to be. " * 40)
        >>> training = PretrainConfig(steps=2)
        >>> model = LanguageModel.fit(text, preset="tiny-lmm", training=training, hardware=Hardware("cpu"))
        >>> len(model.generate("To be", max_tokens=3, seed=1)) <= 3
        True
        >>> model.save(f"{folder.name}/model")
        >>> LanguageModel.load(f"{folder.name}/model").model.config == model.model.config
        True
        >>> folder.cleanup()
    """

    def __init__(
        self,
        model: CausalLM,
        tokenizer: Tokenizer,
        length: int | None = None,
        *,
        card: str = "# CausalLM\n",
        history: History | None = None,
    ) -> None:
        self.model, self.tokenizer, self.length, self.card, self.history = model, tokenizer, length, card, history

    @classmethod
    def fit(
        cls,
        texts: Texts,
        *,
        preset: str = "tiny-mac",
        training: PretrainConfig | None = None,
        tokenizer: str | Tokenizer = "bytes",
        validation: float = 0.0,
        init: str | os.PathLike[str] | None = None,
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        hardware: Hardware = ONE_DEVICE,
        progress: Progress = "none",
        changes: Mapping[str, Any] | None = None,
    ) -> Self:
        """Train a language model.

        Args:
            texts: text files or folders of them, or a folder of token shards.
            preset: which model, see `titans_seq.models.language_model`; not used with `init`.
            training: how it is trained; the preset's settings if None.
            tokenizer: for text, see `load_tokenizer`; shards have their own.
            validation: share of the text that is kept for validation, in [0, 1]; likewise.
            init: run or model folder that it begins with, whose tokenizer text is read with.
            out: run folder for everything that repeats the run, with the shards in a folder beside it; with None
                nothing stays.
            overwrite: replace an earlier run in `out`.
            hardware: what to run on, a single process.
            progress: what to show meanwhile.
            changes: other settings by path, such as `{"model.blocks.0.memory.chunk_size": 8, "training.seed": 1}`.

        Raises:
            UserError: if the text cannot be read, a setting does not fit, or `out` is taken.
        """
        if hardware.processes > 1:
            raise UserError("several devices need several processes: train with titans lm pretrain --devices")
        begun = None if init is None else open_model(init, "cpu")
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "run" if out is None else Path(out)
            shards = _shards(texts, tokenizer if begun is None else begun.tokenizer, validation, folder)
            vocabulary = read_manifest(shards).tokenizer.vocabulary
            model = language_model(preset, vocabulary) if begun is None else begun.model.config
            settings = override(Settings(model, training or training_preset(preset)), changes or {})
            start = None if init is None else Path(init)
            run = new_run(shards, settings.model, settings.training, init=start, hardware=hardware)
            pretrain_run(run, folder, overwrite=overwrite, runtime=Runtime(hardware, progress))
            return cls.load(folder, hardware.device())

    @classmethod
    def load(cls, folder: str | os.PathLike[str], device: str = "auto") -> Self:
        """Return a saved language model.

        Args:
            folder: what `save` wrote, or a run folder.
            device: "auto", "cpu", "cuda" or another name of PyTorch's; "auto" takes a GPU if there is one.

        Raises:
            UserError: if there is no whole model with its tokenizer; the message names the file.
        """
        trained = open_model(folder, device)
        source = Path(folder) / MODEL if (Path(folder) / MODEL).is_dir() else Path(folder)
        card = source / CARD
        history = History.read(Path(folder) / LOG)
        return cls(
            trained.model,
            trained.tokenizer,
            trained.length,
            card=read_text(card) if card.is_file() else "",
            history=history if history.rows else None,
        )

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write model and tokenizer as a whole folder, in place of an earlier one.

        Raises:
            UserError: if `folder` exists and is no saved model.
            OSError: if it cannot be written.
        """
        save_model(folder, self.model, self.card, self.tokenizer.files())

    def generate(
        self,
        prompt: str = "",
        *,
        max_tokens: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int = 0,
        stops: Sequence[str] = (),
    ) -> str:
        """Go on with a prompt, up to the end of the document, a stop string or `max_tokens`.

        Args:
            prompt: of any length; without one a document begins.
            max_tokens: tokens to write at most.
            temperature: divides the logits; 0 takes the likeliest token.
            top_k: draw among the K likeliest tokens.
            top_p: draw among the likeliest tokens that together have this probability.
            seed: of the draws.
            stops: strings, none of them empty; the text ends before the first of them.

        Raises:
            UserError: if a setting is out of range.
        """
        if max_tokens < 0 or "" in stops:
            raise UserError(f"max_tokens must be at least 0 and no stop string empty, got {max_tokens} and {stops!r}")
        try:
            sampling = Sampling(temperature, top_k, top_p)
        except ValueError as error:
            raise UserError(str(error)) from error
        tokens = iter([self.tokenizer.encode_array(prompt)] if prompt else [])
        context = read_all(self.model, Context.empty(self.tokenizer), tokens)
        pieces = continue_text(self._trained, context, max_tokens=max_tokens, sampling=sampling, seed=seed, stops=stops)
        return "".join(pieces)

    def evaluate(self, texts: Iterable[str | os.PathLike[str]], length: int | None = None) -> Evaluation:
        """Score every token of text files, with state carried and with windows cut.

        Args:
            texts: files, each a document.
            length: tokens of a window; those of a training segment if None.

        Raises:
            UserError: if a file cannot be read, or the length is not known.
        """
        length = self.length if length is None else length
        if length is None:
            raise UserError("the model does not say what length it was trained on: give a length")
        documents = [TextTokens(Path(path), self.tokenizer) for path in texts]
        return evaluate_texts(self._trained, documents, length)

    @property
    def _trained(self) -> TrainedModel:
        return TrainedModel(self.model, self.tokenizer, self.length)


def _shards(texts: Texts, tokenizer: str | Tokenizer, validation: float, folder: Path) -> Path:
    """The folder of token shards: the one that is given, or a new one beside the run."""
    paths = [texts] if isinstance(texts, (str, os.PathLike)) else [*texts]
    if len(paths) == 1 and (Path(paths[0]) / MANIFEST).is_file():
        return Path(paths[0])
    made = folder.with_name(f"{folder.name}-shards")
    opened = load_tokenizer(tokenizer) if isinstance(tokenizer, str) else tokenizer
    prepare(paths, opened, made, validation=validation)
    return made

"""`ForecastEstimator`: the forecaster as a GluonTS estimator."""

import copy
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import torch
from gluonts.core.component import validated
from gluonts.dataset.common import Dataset
from gluonts.model.forecast_generator import (
    DistributionForecastGenerator,
    ForecastGenerator,
    QuantileForecastGenerator,
)
from gluonts.torch.distributions import StudentTOutput
from gluonts.torch.model.estimator import PyTorchLightningEstimator, TrainOutput
from gluonts.torch.model.predictor import PyTorchPredictor
from gluonts.transform import Transformation

from titans_seq.config import from_dict, to_dict
from titans_seq.errors import UserError

from ..network.batch import WindowBatch
from ..network.mixers import MemoryMixer
from ..network.outputs import Quantiles
from ..network.simba_network import NetworkConfig
from ..settings.optimiser import OptimiserConfig
from .entries import ARRAYS, WINDOW_FIELDS, EntryToArrays, LastWindow, calendar
from .loaders import Epochs, training_loader, validation_loader
from .network import GluonTSModule, GluonTSNetwork

LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


class ForecastPredictor(PyTorchPredictor):
    """What `ForecastEstimator` trains: a GluonTS predictor whose saved weights load on any machine."""

    def serialize(self, path: Path) -> None:
        """Write the predictor into an existing folder; weights are written as those of a CPU."""
        device = self.device
        self.to("cpu")
        try:
            super().serialize(path)
        finally:
            self.to(device)


class ForecastEstimator(PyTorchLightningEstimator):
    """Train the Simba-style forecaster with GluonTS.

    The arguments are flat and plain, as GluonTS needs them to record and rebuild an estimator. The series are
    held in memory while training. Training draws windows from all series at random, each one once before any
    comes again; validation scores the last `prediction_length` steps of each validation series. Missing
    values (NaN) are masked. Series shorter than the context are left-padded; those without
    `prediction_length + 1` steps give no training window and are counted in a warning.

    Nothing is left in the working directory: Lightning's files go to a temporary folder unless
    `trainer_kwargs` has a `default_root_dir`. Each training works on copies of the callbacks, so that early
    stopping starts afresh; those that ran are in `train_model(...).trainer.callbacks`.

    Args:
        freq: frequency of the data, as pandas and GluonTS write it ("h", "D", "M").
        prediction_length: steps to forecast, at least 1.
        context_length: steps to look back, at least 1; by default four times `prediction_length`.
        network: `titans_seq.config.to_dict` of a `NetworkConfig`, or those of its fields that differ from the
            default, which is the neural memory in a network of the default size.
        output: quantiles, or a Student-t distribution.
        quantile_levels: levels of the quantiles, increasing, in (0, 1).
        target_dim: number of channels; more than 1 for targets `[target_dim, T]`.
        num_feat_dynamic_real: rows of `feat_dynamic_real`, known for the future.
        time_features: whether to add calendar features.
        lr: largest learning rate.
        epochs: number of epochs; `max_epochs` in `trainer_kwargs` overrides it.
        batch_size: windows a batch, for training and predicting.
        num_batches_per_epoch: batches an epoch.
        seed: of initial weights, window order and dropout.
        trainer_kwargs: arguments of Lightning's `Trainer`.

    Raises:
        UserError: if an argument is out of range, or, while training, if the data does not fit.

    Example:
        >>> estimator = ForecastEstimator(freq="M", prediction_length=12, network={"width": 16}, epochs=5)
        >>> estimator.context_length
        48
    """

    @validated()
    def __init__(
        self,
        freq: str,
        prediction_length: int,
        context_length: int | None = None,
        network: dict[str, Any] = {},  # noqa: B006 (GluonTS records the literal)
        output: Literal["quantiles", "student-t"] = "quantiles",
        quantile_levels: list[float] = LEVELS,
        target_dim: int = 1,
        num_feat_dynamic_real: int = 0,
        time_features: bool = True,
        lr: float = 1e-3,
        epochs: int = 50,
        batch_size: int = 32,
        num_batches_per_epoch: int = 50,
        seed: int = 0,
        trainer_kwargs: dict[str, Any] = {},  # noqa: B006
    ) -> None:
        super().__init__(trainer_kwargs=trainer_kwargs)
        self.freq = freq
        self.prediction_length = prediction_length
        self.context_length = 4 * prediction_length if context_length is None else context_length
        for name, number, least in (
            ("prediction_length", prediction_length, 1),
            ("context_length", self.context_length, 1),
            ("target_dim", target_dim, 1),
            ("num_feat_dynamic_real", num_feat_dynamic_real, 0),
            ("batch_size", batch_size, 1),
            ("num_batches_per_epoch", num_batches_per_epoch, 1),
        ):
            if number < least:
                raise UserError(f"{name} must be at least {least}, got {number}")
        # Written out in full, so that a saved predictor stays the same when a default changes.
        default = to_dict(NetworkConfig(mixer=MemoryMixer()))
        self.network = to_dict(from_dict(default | network, NetworkConfig))
        self.output: Literal["quantiles", "student-t"] = output
        self.quantile_levels = _checked_levels(quantile_levels)
        self.target_dim = target_dim
        self.num_feat_dynamic_real = num_feat_dynamic_real
        self.time_features = time_features
        self.optimiser = OptimiserConfig(lr=lr, epochs=trainer_kwargs.get("max_epochs", epochs))
        self.batch_size = batch_size
        self.num_batches_per_epoch = num_batches_per_epoch
        self.seed = seed
        self._known = num_feat_dynamic_real + (len(calendar(freq)) if time_features else 0)

    def create_transformation(self) -> Transformation:
        """Return the step common to training and predicting: check each entry and lay out its arrays."""
        return EntryToArrays(
            freq=self.freq,
            prediction_length=self.prediction_length,
            target_dim=self.target_dim,
            num_feat_dynamic_real=self.num_feat_dynamic_real,
            time_features=self.time_features,
        )

    def create_lightning_module(self) -> GluonTSModule:
        """Return a module with new weights, which depend on the seed alone."""
        return GluonTSModule(self._prediction_network().network, self.optimiser)

    def create_training_data_loader(self, data: Dataset, module: object, **kwargs: Any) -> Iterable[WindowBatch]:
        """Random windows of all series; `shuffle_buffer_length` has no effect, the order is random anyway."""
        loader = training_loader(
            [entry[ARRAYS] for entry in data],
            self.context_length,
            self.prediction_length,
            batch_size=self.batch_size,
            seed=self.seed,
        )
        return Epochs(loader, self.num_batches_per_epoch)

    def create_validation_data_loader(self, data: Dataset, module: object, **kwargs: Any) -> Iterable[WindowBatch]:
        """Return the last window of each series."""
        items = [entry[ARRAYS] for entry in data]
        return validation_loader(items, self.context_length, self.prediction_length, batch_size=self.batch_size)

    def create_predictor(self, transformation: Transformation, module: torch.nn.Module) -> PyTorchPredictor:
        """Return a predictor with the module's weights."""
        network = self._prediction_network()
        network.load_state_dict(module.state_dict())
        return ForecastPredictor(
            input_names=WINDOW_FIELDS,
            prediction_net=network,
            batch_size=self.batch_size,
            prediction_length=self.prediction_length,
            input_transform=transformation + LastWindow(self.context_length, self.prediction_length),
            forecast_generator=self._forecast_generator(),
        )

    def train_model(
        self,
        training_data: Dataset,
        validation_data: Dataset | None = None,
        from_predictor: PyTorchPredictor | None = None,
        shuffle_buffer_length: int | None = None,
        cache_data: bool = False,
        ckpt_path: str | None = None,
        **kwargs: Any,
    ) -> TrainOutput:
        """Train as GluonTS does, in a temporary folder and without touching the global random state."""
        once = copy.copy(self)
        with (
            tempfile.TemporaryDirectory() as folder,
            torch.random.fork_rng(devices=range(torch.cuda.device_count())),
            warnings.catch_warnings(),
        ):
            # Training without validation data is as good a choice.
            warnings.filterwarnings("ignore", message="You defined a `validation_step` but have no")
            torch.manual_seed(self.seed)
            # GluonTS takes the callbacks out of this dictionary, and they keep state: hence copies of both.
            once.trainer_kwargs = {
                "max_epochs": self.optimiser.epochs,
                "gradient_clip_val": self.optimiser.clip,
                "logger": False,
                "default_root_dir": folder,
                **self.trainer_kwargs,
                "callbacks": _copied(self.trainer_kwargs.get("callbacks")),
            }
            return super(ForecastEstimator, once).train_model(
                training_data, validation_data, from_predictor, shuffle_buffer_length, cache_data, ckpt_path
            )

    def _prediction_network(self) -> GluonTSNetwork:
        return GluonTSNetwork(
            network=self.network,
            context_length=self.context_length,
            prediction_length=self.prediction_length,
            target_dim=self.target_dim,
            known=self._known,
            output=self.output,
            quantile_levels=self.quantile_levels,
            seed=self.seed,
        )

    def _forecast_generator(self) -> ForecastGenerator:
        if self.output == "student-t":
            return DistributionForecastGenerator(StudentTOutput())
        return QuantileForecastGenerator([str(level) for level in self.quantile_levels])


def _checked_levels(levels: list[float]) -> list[float]:
    try:
        Quantiles(tuple(levels))
    except ValueError as error:
        raise UserError(f"quantile_levels: {error}") from error
    if len(levels) < 2:
        # GluonTS answers NaN for every other level then.
        raise UserError(f"quantile_levels must be at least two, to tell others between them, got {levels}")
    return levels


def _copied(callbacks: Any) -> list[Any]:
    """Deep copies of the callbacks, given as Lightning takes them: none, one or several."""
    several = [] if callbacks is None else callbacks if isinstance(callbacks, list) else [callbacks]
    return copy.deepcopy(several)

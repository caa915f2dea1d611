"""The short description that lies beside saved weights."""

from torch import nn

from titans_seq.experiment.history import History, describe

from .config import ForecastConfig
from .data import SeriesData
from .data.source import counted, enumerate_some, show_time
from .inference import series_names


def model_card(config: ForecastConfig, context: SeriesData, history: History, network: nn.Module) -> str:
    """Markdown that says what a forecaster forecasts, how it was trained and how to use it.

    Args:
        config: its settings.
        context: the rows it continues.
        history: its training.
        network: the network.
    """
    names = [name for group in series_names(context) for name in group]
    step = "steps without dates" if context.freq is None else f"steps of {context.freq}"
    parameters = sum(tensor.numel() for tensor in network.parameters())
    covariates = [*(["the calendar"] if config.calendar and context.freq else []), *context.known_names]
    score = describe(history.best, ("validation_loss",)) or "no validation"
    last = {show_time(item.index[-1]) for item in context.items}
    output = type(config.output).__name__.lower()
    epochs = f"{counted(len(history.epochs), 'epoch')}, best epoch {history.best_epoch} ({score})"
    return f"""# SimbaNetwork

Forecasts {config.horizon} {step} ahead from the last {config.context}, as {output}.

- {counted(len(names), "series")}: {enumerate_some(names)}
- last rows: {min(last)}{f" to {max(last)}" if len(last) > 1 else ""}
- known covariates: {enumerate_some(covariates)}; past covariates: {enumerate_some(list(context.past_names))}
- static columns: {enumerate_some(context.static_names)}
- sequence mixer: {type(config.network.mixer).__name__}; {parameters:,} parameters
- training: {epochs}, seed {config.seed}

The forecasts hold as far as the series go on as they were in training; a longer horizon, other steps and
other covariates need another model.

```python
from forecasting.model import ForecastModel
forecast = ForecastModel.load("this folder").predict()
```
"""

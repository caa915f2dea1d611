# %% [markdown]
# # Forecast a CSV
#
# Four steps on one file: forecast at once, look at how good that is, train on from there, take new rows in. Your own
# file takes the place of `co2.csv`: see [bring your own series](../forecast-your-data.md). On the command line these
# are `titans forecast predict`, `backtest`, `train` and `update`.

# %%
import pandas as pd
from statsmodels.datasets import co2

from forecasting import FineTuningConfig, ForecastModel

months = co2.load_pandas().data["co2"].resample("MS").mean().rename("ppm")
months.to_csv("co2.csv", index_label="month")
frame = pd.read_csv("co2.csv")
print(frame.tail(3).to_string(index=False, float_format="{:.1f}".format))

# %% [markdown]
# ## At once
#
# The package holds the weights of a network that has read made-up series alone. It reads the file once, in context, and
# nothing is trained. The last year is held back here, so that we can look.

# %%
past, last_year = frame[:-12], frame[-12:]
model = ForecastModel.pretrained()
forecast = model.predict(past, horizon=12)
error = (forecast["mean"].to_numpy() - last_year["ppm"].to_numpy()).__abs__().mean()
print(f"mean absolute error at once: {error:.1f} ppm")

# %% [markdown]
# ![Two years of weekly CO2, forecast at once](../images/forecast.png)
#
# ## Calibrated
#
# Intervals of a network are too narrow for some series and too wide for others. Forecasts from past cutoffs of your own
# series say by how much, and `calibrated` mends it. `titans forecast predict` does so unasked.

# %%
calibrated = model.calibrated(past, horizon=12)
width = lambda f: (f["0.9"] - f["0.1"]).mean()  # noqa: E731
print(
    f"from the 0.1 to the 0.9 quantile: {width(forecast):.2f} ppm, calibrated {width(calibrated.predict(past, 12)):.2f}"
)

# %% [markdown]
# ## Trained
#
# `fit` trains on from these weights, compares before and after on rows that were held out, and keeps the better. Thirty
# steps are enough to show it; leave `FineTuningConfig` out for the usual two hundred.

# %%
tuned = model.fit(past, horizon=12, config=FineTuningConfig(steps=30), refit=False, statistics=False)
print("what is used:", "the trained weights" if tuned.is_fine_tuned else "the weights of the package")
print(tuned.predict().iloc[[0, -1]][["time", "0.1", "0.5", "0.9"]].to_string(index=False, float_format="{:.1f}".format))

# %% [markdown]
# ## Updated
#
# A year later the file is longer. `update` takes the new rows in without training, and the forecast goes on from them.

# %%
updated = tuned.update(frame)
print("the next month to forecast:", updated.predict()["time"].iloc[0].date())
tuned.save("model")
print("saved:", type(ForecastModel.load("model")).__name__)

"""Forecasts, whatever makes them: what a forecaster is, quantiles, tables, many processes."""

"""The forecasting network, part by part; `forecaster` puts the parts together."""

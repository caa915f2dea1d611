"""The forecaster as a GluonTS estimator."""

"""A forecaster that is trained on made-up series and forecasts yours at once."""

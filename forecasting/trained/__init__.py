"""A trained network of one's own: how it forecasts, and how it is saved."""

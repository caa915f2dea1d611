"""Made-up series for pretraining: trends, seasons, processes and the flaws of measured data, from a seed."""

"""The long-horizon benchmark: its data sets, its protocol, one run."""

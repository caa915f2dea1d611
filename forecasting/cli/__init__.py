"""The command line `titans forecast`."""

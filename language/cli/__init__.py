"""The command line `titans lm`."""

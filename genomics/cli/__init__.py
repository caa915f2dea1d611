"""The command line `titans dna`."""

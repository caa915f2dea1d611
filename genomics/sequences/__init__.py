"""Sequences and their labels: alphabet, file formats, layouts of a data set, intervals on a genome, splitting."""

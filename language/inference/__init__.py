"""Using a trained language model: reading texts of any length, keeping what was read, going on with it."""

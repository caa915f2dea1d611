"""Training: what is optimised, and the loop that does it."""

"""Training: of classifiers on labelled sequences, and of encoders on sequences without labels."""

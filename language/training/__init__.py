"""Pretraining of language models on token shards."""

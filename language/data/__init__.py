"""Text to documents, documents to token shards, token shards to batches of segments."""

"""How well a language model predicts text, and by how much what it read earlier helps."""

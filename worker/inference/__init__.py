"""Classification of a batch, from its claim to its result."""

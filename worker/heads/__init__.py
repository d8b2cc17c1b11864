"""A linear head on the features of a backbone, measured out of fold. NumPy only."""

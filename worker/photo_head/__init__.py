"""A linear head on the features of a pretrained backbone, measured out of fold. NumPy only."""

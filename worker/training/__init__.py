"""A recipe and a data set to a version."""

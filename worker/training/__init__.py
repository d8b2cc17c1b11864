"""Trains a version from a recipe and a data set."""

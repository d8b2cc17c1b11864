"""Labelled images to train on and to measure with; drawn ones for `hangtag demo`."""

"""Accuracy, calibration, operating points, and their plots."""

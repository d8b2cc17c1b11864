"""Accuracy, calibration and temperature."""

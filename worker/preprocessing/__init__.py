"""Pillow images to a network's input."""

"""Conversion of Pillow images to the network's input."""

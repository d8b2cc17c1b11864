"""Decoding of untrusted image files to Pillow images."""

"""Untrusted image files become Pillow images, and these the input of a network.

Enter at `decode.py`, which has a reader for each format.
"""

"""Bytes of hostile files to Pillow images."""

"""Backbones: a row for each that ships, people's own, features of images and their cache."""

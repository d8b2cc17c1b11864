"""Pretrained networks whose features are the input of a head, and the features of images."""

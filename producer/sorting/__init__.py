"""Sorts the images of a table into folders, one for each label, and takes that back."""

"""Models, training and data sets: the functions behind their commands."""

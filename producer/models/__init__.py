"""Models, training and data sets: what is behind their commands."""

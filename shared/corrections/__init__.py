"""What people decided about the label of a picture, and the log that keeps it."""

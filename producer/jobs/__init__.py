"""A job as commands see it: start, follow, cancel, show."""

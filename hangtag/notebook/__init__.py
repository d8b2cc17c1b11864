"""What a notebook displays: the progress of a job, and its result."""

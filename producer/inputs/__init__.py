"""The files of a job, and their bytes."""

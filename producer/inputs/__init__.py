"""Which files a job has, and their bytes."""

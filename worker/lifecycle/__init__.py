"""What Hangtag adds to a Celery worker, from its start to its end."""

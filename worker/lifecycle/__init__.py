"""Extensions of a Celery worker: startup checks, heartbeat, pool supervision, watchdog."""

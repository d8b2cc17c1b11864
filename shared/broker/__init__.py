"""Connections to Redis, and the changes to Celery's transport."""

"""Reaching Redis, and what is changed in Celery's transport."""

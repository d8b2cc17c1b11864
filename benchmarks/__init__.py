"""Benchmarks of Hangtag, beside a bare loop, Keras, Ray Data and plain Celery."""

"""Images to answers: Celery tasks, decoding, model runtimes, and the training of models."""

"""This machine's server, worker and trainer, under one supervisor."""

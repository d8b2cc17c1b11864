"""This machine's stack: server, worker and trainer under one supervisor."""

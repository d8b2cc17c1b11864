"""The loop between files and Redis: sends batches, receives results."""

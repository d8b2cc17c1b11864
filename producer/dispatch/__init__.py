"""The loop between files and Redis: batches out, results in."""

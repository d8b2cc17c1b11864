"""The state of batches and requests in Redis, and requests on disk."""

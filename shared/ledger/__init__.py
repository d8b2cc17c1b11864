"""The state of batches and requests in Redis, and the requests on disk."""

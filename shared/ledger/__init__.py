"""The state of batches in Redis, and requests: in the store, and what Redis has of them."""

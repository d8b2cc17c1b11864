"""The client of the trainer: submit a request, wait for its outcome."""

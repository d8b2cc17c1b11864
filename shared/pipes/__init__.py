"""Messages between the producer and processes of the worker package on the same machine."""

"""Images for `make demo`."""

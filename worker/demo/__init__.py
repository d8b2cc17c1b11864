"""Images for `hangtag demo`."""

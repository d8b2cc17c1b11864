"""One function for each kind of request."""

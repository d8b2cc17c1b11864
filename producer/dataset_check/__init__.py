"""Class folders searched for mistakes: the request, and its answers as a table."""

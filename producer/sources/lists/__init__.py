"""Lists of paths, in a file or from standard input."""

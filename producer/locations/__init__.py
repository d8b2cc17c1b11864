"""Where the files of rows are now."""

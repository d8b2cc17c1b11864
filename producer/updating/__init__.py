"""A finished table is brought up to date: its rows are merged with the files that there are now."""

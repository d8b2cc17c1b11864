"""Files that the user names: their paths, drafts and plots, and the cells in them."""

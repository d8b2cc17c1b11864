"""A local page on which people give the first labels to unsorted images."""

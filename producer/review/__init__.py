"""A local page on which people confirm and correct the labels of a finished job."""

"""The log of a folder that images were sorted into."""

"""The click commands: they translate between the command line and the other packages."""

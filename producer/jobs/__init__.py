"""Jobs as commands handle them: start, follow, cancel, show."""

"""Workers on any machine: their command lines, their number, their state."""

"""Workers on any machine: their commands, their number, their state."""

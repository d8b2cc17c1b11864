"""Run a command or a stack and sample it."""

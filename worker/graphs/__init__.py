"""Networks as files: those that other tools made are checked, trained ones exported."""

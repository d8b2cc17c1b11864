"""The journal of a job in SQLite, its source of truth."""

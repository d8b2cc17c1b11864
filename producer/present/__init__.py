"""Text for people: figures, tables that fit, notices, progress and time left."""

"""Text for people: figures, tables that fit, events, progress and time left."""

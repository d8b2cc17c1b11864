"""The forms of a table as a file: one module each, and how the file is placed."""

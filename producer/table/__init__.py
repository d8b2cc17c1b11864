"""A table: rendered from a job's rows, written in its form, summarized and verified.

`table_formats.py` has a row for each form; a table is a function of the journal.
"""

"""Renders a job's table from its journal: how answers are displayed, forms, replacing the file."""

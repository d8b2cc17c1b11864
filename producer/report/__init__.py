"""Reports on tables and on model versions, as single HTML files."""

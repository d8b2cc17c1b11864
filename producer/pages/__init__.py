"""Pages as single HTML files: reports on tables and versions, comparisons, dataset checks."""

"""Where the images of a job are: folders, lists, archives, buckets, web servers.

`source_table.py` has a row for each kind, `source.py` what a kind implements,
`job_sources.py` what a job reads from; `row_files.py` finds the file of a row later.
"""

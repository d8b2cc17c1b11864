"""What a job is: its options, its journal (SQLite, its one truth), its rows.

Enter at `journal.py`; `row_batch.py` decodes the results of a batch, once.
"""

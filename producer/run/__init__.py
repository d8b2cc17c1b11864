"""A job runs: started, sent as batches, received, brought up to date, its table written.

Enter at `classify.py`; `loop.py` is what sends and receives. Guests are not imported.
"""

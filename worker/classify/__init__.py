"""A batch is classified: claimed, decoded, converted, predicted, completed.

Enter at `classify_batch.py`; `decoding/` and `runtimes/` do the work of an image.
"""

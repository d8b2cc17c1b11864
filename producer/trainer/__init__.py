"""The client of the trainer: requests, and the functions behind the commands of models.

Enter at `submit.py`; `train.py` submits a training.
"""

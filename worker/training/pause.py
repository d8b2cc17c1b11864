"""A training that stops between two steps, to go on from there."""

from __future__ import annotations


class TrainingPaused(Exception):
    """Raised by `on_step`: a checkpoint is stored before it is raised further."""

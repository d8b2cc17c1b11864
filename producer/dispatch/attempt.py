"""One attempt at finishing a job: its limits and surroundings, and the job that it works on."""

from __future__ import annotations

from typing import NamedTuple

from producer.dispatch.job_queue import Channel
from producer.journal.error_budget import Budget
from producer.journal.job_properties import Pinned
from producer.journal.journal import Journal
from producer.output.job_progress import Report
from producer.stack.stack import Use
from shared.settings import Settings


class Attempt(NamedTuple):
    """What holds for all steps of one attempt, from the first connection to the last result."""

    settings: Settings
    report: Report
    use: Use
    budget: Budget = Budget()
    deadline: float = float("inf")  #: monotonic


class OpenJob(NamedTuple):
    """A job that has begun, with its two stores: the journal on disk and the channel in Redis."""

    pinned: Pinned
    journal: Journal
    channel: Channel

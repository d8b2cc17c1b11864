"""One attempt at finishing a job: its limits and surroundings, and the job that it works on."""

from __future__ import annotations

from typing import NamedTuple

from producer.budget import Budget
from producer.channel import Channel
from producer.job_properties import Pinned
from producer.journal import Journal
from producer.report import Report
from producer.stack import Use
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

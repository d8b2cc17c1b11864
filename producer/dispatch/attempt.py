"""One attempt at finishing a job: its limits and surroundings, and the job that it works on."""

from __future__ import annotations

from typing import NamedTuple

from producer.dispatch.job_queue import JobQueue
from producer.journal.error_budget import ErrorBudget
from producer.journal.job_properties import Pinned
from producer.journal.journal import Journal
from producer.output.job_progress import JobProgress
from producer.stack.stack import BrokerSession
from shared.settings import Settings


class Attempt(NamedTuple):
    """What holds for all steps of one attempt, from the first connection to the last result."""

    settings: Settings
    report: JobProgress
    use: BrokerSession
    budget: ErrorBudget = ErrorBudget()
    deadline: float = float("inf")  #: monotonic


class OpenJob(NamedTuple):
    """A job that has begun, with its two stores: the journal on disk and the channel in Redis."""

    pinned: Pinned
    journal: Journal
    channel: JobQueue

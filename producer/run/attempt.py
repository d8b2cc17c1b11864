"""One attempt at a job: its settings and limits, and the job's stores."""

from __future__ import annotations

from typing import NamedTuple

from producer.job.job_options import ErrorBudget
from producer.job.job_properties import Pinned
from producer.job.journal import Journal
from producer.machine.stack import BrokerSession
from producer.present.events import Events
from producer.run.job_queue import JobQueue
from producer.run.job_table import JobTable
from producer.sources.row_files import RowFiles
from shared.settings import Settings
from shared.stop import Waits


class Attempt(NamedTuple):
    """Settings and limits of one attempt, from the first connection to the last result."""

    settings: Settings
    events: Events
    waits: Waits
    use: BrokerSession
    budget: ErrorBudget = ErrorBudget()
    deadline: float = float("inf")  #: monotonic
    started: float = 0.0  #: monotonic


class OpenJob(NamedTuple):
    """A started job with its two stores: the journal on disk and the queue in Redis."""

    pinned: Pinned
    journal: Journal
    queue: JobQueue
    row_files: RowFiles  #: where failed rows and lost batches are read again
    table: JobTable | None = None  #: None: the job writes none

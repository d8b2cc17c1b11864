"""Checks incoming results: valid ones go into the journal, batches of the others are redone."""

from __future__ import annotations

from producer.dispatch.attempt import OpenJob
from producer.dispatch.job_queue import Result
from producer.journal.records import StoredResult
from producer.present.progress import ProgressDisplay
from shared.errors import BadMessage
from shared.messages.batch import decode_result


class ResultIntake:
    """Checks the results of one job."""

    def __init__(self, job: OpenJob, report: ProgressDisplay) -> None:
        self._queue, self._journal, self._report = job.queue, job.journal, report
        self._k, self._labels = job.pinned.record.top_k, len(job.pinned.card.labels)

    def checked(self, result: Result) -> StoredResult | None:
        """The result for the journal; None if it is invalid or its batch is not open."""
        count = self._journal.open_count(result.batch)
        if count is None:
            return None
        try:
            decoded = decode_result(result.data, count).check_labels(self._k, self._labels)
            return StoredResult.of(result.batch, result.data, decoded)
        except BadMessage as error:
            self._report.notice(
                f"batch {result.batch} has an invalid result; repeating it: {error}"
            )
            self._queue.forget(result.batch)
            return None

"""Results as they come back: those that fit go into the journal, all others are done again."""

from __future__ import annotations

from producer.dispatch.attempt import OpenJob
from producer.dispatch.job_queue import Result
from producer.journal.records import StoredResult
from producer.output.csv_table import failures
from producer.output.job_progress import JobProgress
from shared.errors import BadMessage
from shared.image_status import count_flags
from shared.messages.batch import decode_result


class ResultIntake:
    """Checks the results of one job."""

    def __init__(self, job: OpenJob, report: JobProgress) -> None:
        self._channel, self._journal, self._report = job.channel, job.journal, report
        self._k, self._labels = job.pinned.record.top_k, len(job.pinned.card.labels)

    def checked(self, result: Result) -> StoredResult | None:
        """The result for the journal; None for one that is not waited for, or not a result."""
        count = self._journal.open_count(result.batch)
        if count is None:
            return None
        try:
            answer = decode_result(result.data, count).check_labels(self._k, self._labels)
            flagged = count_flags(answer.flags)
            return StoredResult(
                result.batch, result.data, failures(answer), flagged, answer.digests
            )
        except BadMessage as error:
            self._report.notice(f"batch {result.batch} is done again: {error}")
            self._channel.forget(result.batch)
            return None

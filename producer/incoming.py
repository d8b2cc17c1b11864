"""Results as they come back: those that fit go into the journal, all others are done again."""

from __future__ import annotations

from producer.channel import Channel, Result
from producer.journal import Journal
from producer.recorded import Recorded
from producer.report import Report
from producer.table import failures
from shared.card import decode_card
from shared.contract import decode_result
from shared.errors import BadMessage
from shared.status import count_flags

MAX_LABELS = 1 << 16  #: as many as an answer can name


class Incoming:
    """Checks the results of one job."""

    def __init__(self, channel: Channel, journal: Journal, report: Report) -> None:
        self._channel, self._journal, self._report = channel, journal, report
        self._k = channel.record.top_k
        card = journal.get("card")
        self._labels = len(decode_card(card).labels) if card else MAX_LABELS

    def checked(self, result: Result) -> Recorded | None:
        """The result for the journal; None for one that is not waited for, or not a result."""
        count = self._journal.open_count(result.batch)
        if count is None:
            return None
        try:
            answer = decode_result(result.data, count).check_labels(self._k, self._labels)
            flagged = count_flags(answer.flags)
            return Recorded(result.batch, result.data, failures(answer), flagged, answer.digests)
        except BadMessage as error:
            self._report.notice(f"batch {result.batch} is done again: {error}")
            self._channel.forget(result.batch)
            return None

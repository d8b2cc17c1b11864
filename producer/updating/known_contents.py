"""The SHA-256 of files that a person has decided about, as far as the log of corrections proves it:
a decision holds for a row of the old table, and the row has the same file in the next one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from producer.journal.batch_reader import BatchReader
from producer.rendering.named_rows import Hash
from shared.image_status import Status
from shared.labels import correction_log
from shared.labels.class_folders import problem_beside
from shared.labels.decided_rows import DecidedRows
from shared.messages.files import Stamp

_Known = dict[tuple[bytes, Stamp, bytes], str]


def with_known(output: Path, old: BatchReader, labels: Sequence[str], sha256_of: Hash) -> Hash:
    """As `sha256_of`, without reading files whose SHA-256 is known.

    Raises:
        SetupError: the log is damaged.
    """
    known = _known(output, old, labels)

    def known_or_read(name: bytes, stamp: Stamp, digest: bytes) -> str | Status:
        return known.get((name, stamp, digest)) or sha256_of(name, stamp, digest)

    return known_or_read


def _known(output: Path, old: BatchReader, labels: Sequence[str]) -> _Known:
    decided = DecidedRows()
    log = correction_log.log_path(output)
    for line in correction_log.read(log, problem_beside(labels)):
        decided.add(line)
    contents = {line.content for line in decided.in_force.values() if line.rows is not None}
    known: _Known = {}
    for batch in old.row_batches() if contents else ():
        for i, content in enumerate(batch.contents):
            decision = decided.of(content, batch.first + i) if content in contents else None
            if decision is not None and decision.rows is not None:
                key = batch.names[i], batch.stamps[i], batch.digests[i]
                known[key] = decision.sha256
    return known

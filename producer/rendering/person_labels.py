"""The labels that people gave to the rows of a job, found by the content of their files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from producer.journal.records import BatchFiles
from producer.output.formatting import typed
from shared.errors import SetupError
from shared.image_status import Status
from shared.labels import correction_log
from shared.labels.correction import in_force
from shared.messages.batch import BatchResult
from shared.messages.files import DIGEST_BYTES


class Content(NamedTuple):
    """What a row knows of its file's content."""

    size: int
    digest: bytes  #: CRC-32, little-endian


def too_few(output: Path) -> SetupError:
    """The error of a log that is missing, or shorter than when the table was rendered."""
    return SetupError(
        f"{correction_log.log_path(output)} has fewer corrections than the table; restore it, or "
        f"render the table without them: {typed(['hangtag', 'table', str(output)])} "
        "--no-corrections"
    )


class PersonLabels:
    """The corrections in the first `size` bytes of the log of `output`.

    Raises:
        SetupError: the log is damaged, or shorter than when the table was rendered.
    """

    def __init__(self, output: Path, size: int) -> None:
        path = correction_log.log_path(output)
        if size and (not path.exists() or path.stat().st_size < size):
            raise too_few(output)
        found = in_force(correction_log.read(path, size)) if size else {}
        self._labels = {
            Content(one.size, int(one.crc32, 16).to_bytes(DIGEST_BYTES, "little")): one.label
            for one in found.values()
        }

    @property
    def labels(self) -> set[str]:
        """Every label that a person gave."""
        return set(self._labels.values())

    def of(self, batch: BatchFiles, result: BatchResult) -> dict[int, str]:
        """The labels of the batch's rows, by index. Failed rows have none."""
        found = {}
        for i, (stamp, digest) in enumerate(zip(batch.stamps, batch.digests, strict=True)):
            label = self._labels.get(Content(stamp[0], digest))
            if label is not None and result.statuses[i] == Status.OK.code:
                found[i] = label
        return found

"""What came back for a batch, as the journal takes it."""

from __future__ import annotations

from typing import NamedTuple

from shared.status import Flagged


class Recorded(NamedTuple):
    """What came back for batch `n`."""

    n: int
    result: bytes
    failed: int  #: how many images have no label
    flagged: Flagged = {}  #: how many have each flag
    digests: bytes = b""  #: of the files, if the worker has read them

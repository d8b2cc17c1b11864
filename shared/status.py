"""The status of one image: a short stable code in the table, one byte on the wire."""

from __future__ import annotations

import enum


class Status(enum.StrEnum):
    """What became of one image. The order is the wire code: append only."""

    OK = "ok"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    MISSING = "missing"
    CHANGED = "changed"
    CRASHED = "crashed"

    @property
    def code(self) -> int:
        """The wire code, 0 to 255."""
        return _CODES[self]

    @property
    def sentence(self) -> str:
        """The fixed text of the table's `error` column; empty for `ok`."""
        return _SENTENCES[self]

    @classmethod
    def from_code(cls, code: int) -> Status:
        """The status with this wire code.

        Raises:
            ValueError: no status has it.
        """
        if not 0 <= code < len(BY_CODE):
            raise ValueError(f"no status has the code {code}")
        return BY_CODE[code]


BY_CODE = tuple(Status)
_CODES = {status: code for code, status in enumerate(BY_CODE)}
_SENTENCES = {
    Status.OK: "",
    Status.UNREADABLE: "The file is empty, damaged, or may not be read.",
    Status.UNSUPPORTED: "The file is not a JPEG, PNG, WebP, BMP, GIF or TIFF picture.",
    Status.TOO_LARGE: "The file has more bytes or pixels than Hangtag accepts.",
    Status.MISSING: "The file was gone when it was to be read.",
    Status.CHANGED: "The file changed while the job ran.",
    Status.CRASHED: "Decoding the picture ended the worker process twice.",
}

"""The result of the last attempt at a job: `collect` reports it as `classify` did."""

from __future__ import annotations

import msgspec

from shared.errors import MISFITS, BadMessage

#: The property of a job that holds it.
ATTEMPT = "attempt"


class AttemptResult(msgspec.Struct, frozen=True):
    """One run of `classify` or `collect`."""

    classified: int = 0  #: images; the others in earlier attempts
    seconds: float = 0.0
    skipped: dict[str, int] = {}  #: by reason, in this attempt and in earlier ones


def encode_attempt(attempt: AttemptResult) -> bytes:
    """JSON."""
    return msgspec.json.encode(attempt)


def decode_attempt(data: bytes | None) -> AttemptResult:
    """What a journal holds; older ones hold none. Raises BadMessage."""
    if data is None:
        return AttemptResult()
    try:
        return msgspec.json.decode(data, type=AttemptResult)
    except MISFITS as error:
        raise BadMessage(
            f"the job's last attempt cannot be read ({error}); begin anew with --restart"
        ) from error

"""What the last attempt at a job came to: `collect` reports it as `classify` did."""

from __future__ import annotations

import msgspec

from shared.errors import MISFITS, BadMessage

#: The property of a job that holds it.
ATTEMPT = "attempt"


class Attempt(msgspec.Struct, frozen=True):
    """One run of `classify` or `collect`."""

    classified: int = 0  #: images; the others in earlier attempts
    seconds: float = 0.0
    skipped: dict[str, int] = {}  #: by reason, in this attempt and in earlier ones


def encode_attempt(attempt: Attempt) -> bytes:
    """JSON."""
    return msgspec.json.encode(attempt)


def decode_attempt(data: bytes | None) -> Attempt:
    """What a journal holds; none before the first attempt. Raises BadMessage."""
    if data is None:
        return Attempt()
    try:
        return msgspec.json.decode(data, type=Attempt)
    except MISFITS as error:
        raise BadMessage(
            f"the job's last attempt cannot be read ({error}); begin anew with --restart"
        ) from error

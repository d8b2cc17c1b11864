"""Folders of a job that could not be listed: what is in them has no rows, and the job says so."""

from __future__ import annotations

import msgspec

from shared.errors import MISFITS, BadMessage

#: The property of a job that holds them. Nothing but --restart forgets it, since files that were
#: passed over are taken in by no later run.
UNLISTED = "unlisted"


class Unlisted(msgspec.Struct, frozen=True):
    """How many folders, and the first of them."""

    count: int = 0
    first: str = ""  #: in one line, and why

    def and_one(self, folder: str, why: str) -> Unlisted:
        """With one more folder."""
        return Unlisted(self.count + 1, self.first or f"{folder} ({why})")


def encode_unlisted(unlisted: Unlisted) -> bytes:
    """JSON."""
    return msgspec.json.encode(unlisted)


def decode_unlisted(data: bytes | None) -> Unlisted:
    """What a journal holds, if it holds any. Raises BadMessage."""
    if data is None:
        return Unlisted()
    try:
        return msgspec.json.decode(data, type=Unlisted)
    except MISFITS as error:
        raise BadMessage(
            f"the job's folders that could not be listed cannot be read ({error}); "
            "begin anew with --restart"
        ) from error

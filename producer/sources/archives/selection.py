"""Which members of an archive are rows: the rules of a walk, for names in an archive."""

from __future__ import annotations

from collections.abc import Callable

from producer.inputs import skipped
from producer.inputs.skipped import Counts
from producer.sources.archives.members import Member, cleaned, is_hidden
from producer.sources.local.directory_listing import FILE, LINK
from shared.image_formats import HEAD_BYTES, is_image


def why_skipped(
    member: Member,
    wanted: Callable[[bytes], bool],
    head: Callable[[int], bytes],
    counts: Counts,
) -> str | None:
    """The reason why a member is no row; None for a row, empty for an uncounted member. `wanted`
    says whether a name is; `head` reads the first bytes of a file, by which one without an ending
    is known."""
    name = cleaned(member.name) or member.name
    if is_hidden(name):
        return skipped.HIDDEN
    if member.kind is not FILE:
        kind = skipped.LINK if member.kind is LINK else skipped.SPECIAL
        return kind if wanted(name) else ""
    if wanted(name):
        return None
    ending = skipped.ending(name.rpartition(b"/")[2], counts)
    unnamed = ending == skipped.NO_ENDING
    return None if unnamed and is_image(head(HEAD_BYTES)) else ending

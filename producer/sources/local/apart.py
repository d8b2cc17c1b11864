"""Whether no two local arguments name the same file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from producer.sources.local.local_source import LocalSource
from producer.sources.local.root_pattern import RootPattern
from producer.sources.local.typed_patterns import may_share, resolved
from shared.errors import UsageError
from shared.messages.files import printable


def check_apart(arguments: Sequence[LocalSource]) -> None:
    """Check neighbours in path order: all paths within a folder follow it.

    Raises:
        UsageError: an argument is or lies within another, or has a file that a pattern matches.
    """
    typed = [(number, each) for number, each in enumerate(arguments) if not each.is_pattern]
    paths = sorted((resolved(each.place), number) for number, each in typed)
    for (folder, j), (path, i) in pairwise(paths):
        if path.startswith(folder):
            how = "is the same as" if path == folder else "lies within"
            raise _named_twice(arguments[i], how, arguments[j])
    for other in arguments:
        if not other.is_pattern:
            continue
        pattern, place = RootPattern(other.typed), resolved(other.place)
        for path, i in paths:
            if may_share(pattern, place, path):
                raise _named_twice(arguments[i], "has files of", other)


def _named_twice(one: LocalSource, how: str, other: LocalSource) -> UsageError:
    return UsageError(
        f"{printable(one.typed)} {how} {printable(other.typed)}; name each image once"
    )

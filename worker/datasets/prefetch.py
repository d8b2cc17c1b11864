"""Work that is done by threads a little ahead of where it is needed, in its order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetched(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """`work(item)` for each item, at most twice as many under way as there are threads.

    What `work` raises is raised here, at its turn. Items that nobody asks for are not begun.
    """
    under_way: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, "ahead") as pool:
        try:
            for item in items:
                under_way.append(pool.submit(work, item))
                if len(under_way) > 2 * threads:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()

"""Runs work in threads ahead of its consumer, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetched(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yield `work(item)` for each item, with at most two items in progress per thread.

    An exception of `work` is raised at its item's turn. Items past the consumer's end do not start.
    """
    in_progress: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, "ahead") as pool:
        try:
            for item in items:
                in_progress.append(pool.submit(work, item))
                if len(in_progress) > 2 * threads:
                    yield in_progress.popleft().result()
            while in_progress:
                yield in_progress.popleft().result()
        finally:
            for future in in_progress:
                future.cancel()

"""`python -m worker.thumbnails`: makes small pictures of images for reports, in a process of its
own that may be killed by any of them (shared/pipes/thumbnail.py).

It gets bytes through a pipe, opens no files once it is ready, and has limits on memory and time. A
process that has died is replaced by the one that started it (producer/pages/thumbnails.py).
"""

from __future__ import annotations

import resource

from shared import garbage
from shared.errors import ImageError
from shared.pipes.framing import orders, reply
from shared.pipes.thumbnail import Order, Thumbnail
from worker.inference.resource_limits import memory_limit, time_limit
from worker.thumbnails.small_picture import thumbnail, warm_up

#: One image takes at most 0.8 GB (worker/decoding/size_limits.py).
MEMORY_BYTES = 1536 << 20
#: The largest images within the limits take 3 s.
TIME_LIMIT_S = 15.0


def main() -> None:
    """Serve until the input ends."""
    garbage.skip_last_search()
    warm_up()  # before files are out of reach
    with memory_limit(MEMORY_BYTES):
        _forbid_files()
        for order in orders(Order):
            with time_limit(TIME_LIMIT_S):
                made = _made(order)
            reply(made)


def _made(order: Order) -> Thumbnail:
    try:
        return thumbnail(order)
    except ImageError as error:
        return Thumbnail(why=error.status.sentence)


def _forbid_files() -> None:
    """No new descriptors, no files written, no core dumps: what is open stays usable."""
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))


if __name__ == "__main__":
    main()

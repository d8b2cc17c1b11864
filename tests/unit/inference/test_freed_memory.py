"""A worker process uses its free memory again."""

from __future__ import annotations

import os
import resource
import sys

import pytest

from worker.inference.freed_memory import BLOCK_BYTES, KEPT_BYTES, keep_memory

TIMES = 20


def faults(of_batches: int) -> int:
    """The pages that a process got from the system while it held blocks and freed them, again and
    again: as many bytes as it keeps, less a quarter."""
    blocks = 3 * KEPT_BYTES // 4 // BLOCK_BYTES
    for batch in range(of_batches + 1):
        if batch == 1:  # the first one has new memory
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        held = [b"x" * (BLOCK_BYTES - 4096) for _ in range(blocks)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is of glibc")
def test_blocks_of_a_batch_are_not_new_memory_each_time() -> None:
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:  # the options are of a process
        keep_memory()
        os.write(writer, b"%d" % faults(TIMES))
        os._exit(0)
    os.waitpid(pid, 0)
    pages = TIMES * 3 * KEPT_BYTES // 4 // 4096
    assert int(os.read(reader, 100)) < pages // 20
    os.close(reader)
    os.close(writer)

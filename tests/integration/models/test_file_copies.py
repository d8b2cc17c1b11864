"""A large file reaches Redis in parts: readers find all of it or nothing, whatever happens."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import RedisError

from shared import keys
from shared.broker.redis_client import connect
from shared.errors import ForeignKey
from shared.registry import file_copies
from tests.support.servers.redis_server import RedisServer

PART = 40
#: Several parts of 64 MiB.
LARGE_BYTES = 136 << 20
#: Beside parts: keys, replies, file objects.
SLACK_BYTES = 1 << 20


@pytest.fixture(scope="module")
def shared_server(server_binary: Path) -> Iterator[RedisServer]:
    with RedisServer(server_binary) as running:
        yield running


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_copies, "PART_BYTES", PART)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def store(client: redis.Redis, content: bytes) -> None:
    stored = file_copies.stored_keys(client)
    file_copies.store(client, sha256(content), len(content), lambda: opened(content), stored)


@contextmanager
def opened(content: bytes) -> Iterator[BinaryIO]:
    yield io.BytesIO(content)


def content_of(size: int) -> bytes:
    return bytes(i % 251 for i in range(size))


@given(st.integers(0, 5 * PART))
def test_a_file_of_any_size_is_stored_whole(shared_server: RedisServer, size: int) -> None:
    client, content = shared_server.client, content_of(size)
    client.flushall()
    assert file_copies.load(client, sha256(content)) is None
    store(client, content)
    assert file_copies.load(client, sha256(content)) == content
    found = file_copies.stored_keys(client)
    assert found == set(file_copies.part_keys(sha256(content), size))
    assert {file_copies.sha256_of(key) for key in found} == {sha256(content)}


def test_the_next_writer_sends_only_what_is_missing(shared_server: RedisServer) -> None:
    client, content = shared_server.client, content_of(10 * PART)
    client.flushall()
    store(client, content)
    client.delete(keys.blob(sha256(content), 7))
    client.config_resetstat()
    store(client, content)
    assert client.info("commandstats")["cmdstat_set"]["calls"] == 1
    assert file_copies.load(client, sha256(content)) == content


def test_the_value_of_another_program_and_an_unreachable_server_are_told_apart(
    server: RedisServer,
) -> None:
    client = connect(server.url, "test")
    client.lpush(keys.blob(sha256(b"")), "foreign")
    with pytest.raises(ForeignKey, match=keys.blob(sha256(b""))):
        file_copies.load(client, sha256(b""))
    server.stop()
    with pytest.raises(RedisError):
        file_copies.load(client, sha256(b""))


def test_a_file_that_does_not_fit_is_refused_before_anything_is_written(
    shared_server: RedisServer,
) -> None:
    client, content = shared_server.client, content_of(1 << 20)
    client.flushall()
    client.config_set("maxmemory", client.info("memory")["used_memory"] + (1 << 20))
    try:
        with pytest.raises(file_copies.NoRoom, match="1 MiB do not fit into Redis' memory; raise"):
            store(client, content)
        assert file_copies.stored_keys(client) == set()
    finally:
        client.config_set("maxmemory", 0)


def test_a_writer_holds_one_part_and_a_reader_the_file_and_one_part(
    shared_server: RedisServer, tmp_path: Path
) -> None:
    """Counted in a process with the real sizes, by Python's allocator. A part that is received
    takes several times its size, in the buffers of Redis' client: as measured for one."""
    (tmp_path / "large").write_bytes(content_of(1 << 20) * (LARGE_BYTES >> 20))
    command = [sys.executable, "-m", "tests.integration.models.test_file_copies"]
    arguments = [shared_server.url, str(tmp_path / "large")]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    part_size, of_writer, of_reader, of_one_part = map(int, done.stdout.split())
    assert part_size <= of_writer < part_size + SLACK_BYTES
    # A buffer that grows allocates an eighth in addition.
    assert LARGE_BYTES < of_reader < LARGE_BYTES * 9 // 8 + of_one_part + SLACK_BYTES


def _main(url: str, path: str) -> None:
    """Print the bytes of a part, and the most bytes that storing a file, loading it, and receiving
    one part allocate."""
    client, content = redis.Redis.from_url(url), Path(path)
    with content.open("rb") as file:
        sha, size = hashlib.file_digest(file, "sha256").hexdigest(), content.stat().st_size

    def store() -> None:
        file_copies.store(client, sha, size, lambda: content.open("rb"))

    store()  # the first use allocates what stays: connections, buffers
    client.flushall()
    tracemalloc.start()
    of_writer = _peak(store)
    of_reader = _peak(lambda: file_copies.load(client, sha))
    of_one_part = _peak(lambda: client.get(keys.blob(sha)))
    tracemalloc.stop()
    loaded = file_copies.load(client, sha)
    assert loaded is not None
    assert hashlib.sha256(loaded).hexdigest() == sha
    print(file_copies.PART_BYTES, of_writer, of_reader, of_one_part)


def _peak(action: Callable[[], object]) -> int:
    """The most bytes that are allocated at once during an action, beside those of before."""
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    action()
    return tracemalloc.get_traced_memory()[1] - before


if __name__ == "__main__":
    _main(*sys.argv[1:])

"""A large file reaches Redis in parts: readers find all of it or nothing, whatever happens."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import RedisError

from shared import failpoints, keys
from shared.broker.redis_client import connect
from shared.errors import ForeignKey, SetupError
from shared.registry import file_copies
from tests.support.servers.redis_server import RedisServer

WHOLE, PART = 100, 40
#: Several parts of 4 MiB.
LARGE_BYTES = 24 << 20
#: Beside parts: keys, replies, file objects.
SLACK_BYTES = 1 << 20


@pytest.fixture(scope="module")
def shared_server(server_binary: Path) -> Iterator[RedisServer]:
    with RedisServer(server_binary) as running:
        yield running


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_copies, "WHOLE_BYTES", WHOLE)
    monkeypatch.setattr(file_copies, "PART_BYTES", PART)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def store(client: redis.Redis, content: bytes) -> None:
    file_copies.store(client, sha256(content), len(content), lambda: opened(content))


@contextmanager
def opened(content: bytes) -> Iterator[BinaryIO]:
    yield io.BytesIO(content)


def content_of(size: int) -> bytes:
    return bytes(i % 251 for i in range(size))


def stored_keys(client: redis.Redis) -> list[str]:
    return sorted(key.decode() for key in cast(list[bytes], client.keys("*")))


@given(st.integers(0, 5 * PART))
def test_a_file_of_any_size_is_stored_and_deleted_whole(
    shared_server: RedisServer, size: int
) -> None:
    client, content = shared_server.client, content_of(size)
    client.flushall()
    assert not file_copies.is_stored(client, sha256(content))
    store(client, content)
    assert file_copies.is_stored(client, sha256(content))
    assert file_copies.load(client, sha256(content)) == content
    assert all(client.ttl(key) == -1 for key in stored_keys(client))
    client.delete(*file_copies.keys_of(client, sha256(content)))
    assert stored_keys(client) == []


class Disturbed:
    """Does something else at each step of a writer, as other processes would."""

    def __init__(self, client: redis.Redis, content: bytes, steps: list[str]) -> None:
        self._client, self._content, self._steps = client, content, steps
        self._nested = False

    def step(self, _: str) -> None:
        if self._nested or not self._steps:
            return
        self._nested = True
        try:
            self._do(self._steps.pop(0))
        finally:
            self._nested = False

    def _do(self, what: str) -> None:
        if what == "killed":
            raise KeyboardInterrupt
        if what == "delete":
            self._client.delete(*file_copies.keys_of(self._client, sha256(self._content)))
        elif what == "store":
            store(self._client, self._content)
        elif what == "lose a part":
            self._client.delete(keys.blob_part(sha256(self._content), 1))
        found = file_copies.load(self._client, sha256(self._content))
        assert found in (None, self._content), "a reader has found a part of the file"


@given(st.lists(st.lists(st.sampled_from(["go on", "delete", "store", "lose a part", "killed"]),
                         max_size=8), max_size=4))  # fmt: skip
def test_writers_that_are_disturbed_or_killed_leave_all_or_nothing(
    shared_server: RedisServer, attempts: list[list[str]]
) -> None:
    client, content = shared_server.client, content_of(4 * PART + 7)
    client.flushall()
    for steps in attempts:
        with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt, SetupError):
            patch.setattr(failpoints, "_on_pass", Disturbed(client, content, list(steps)).step)
            store(client, content)
        assert file_copies.load(client, sha256(content)) in (None, content)
        if not client.exists(keys.blob_parts(sha256(content))):
            assert all(client.ttl(key) > 0 for key in stored_keys(client)), "parts stay for ever"
    store(client, content)
    assert file_copies.is_stored(client, sha256(content))
    assert file_copies.load(client, sha256(content)) == content
    client.delete(*file_copies.keys_of(client, sha256(content)))
    assert stored_keys(client) == []


def test_the_next_writer_sends_only_what_is_missing(shared_server: RedisServer) -> None:
    client, content = shared_server.client, content_of(10 * PART)
    client.flushall()
    store(client, content)
    client.delete(keys.blob_parts(sha256(content)), keys.blob_part(sha256(content), 7))
    client.config_resetstat()
    store(client, content)
    assert client.info("commandstats")["cmdstat_set"]["calls"] == 2  # the part and the list
    assert file_copies.load(client, sha256(content)) == content


def test_a_file_that_lacks_a_part_is_not_stored_and_its_parts_are_not_read(
    shared_server: RedisServer,
) -> None:
    client, content = shared_server.client, content_of(10 * PART)
    client.flushall()
    store(client, content)
    client.delete(keys.blob_part(sha256(content), 9))
    assert not file_copies.is_stored(client, sha256(content))
    client.config_resetstat()
    assert file_copies.load(client, sha256(content)) is None
    assert client.info("commandstats")["cmdstat_get"]["calls"] == 2  # the whole, the list


def test_a_part_that_is_deleted_while_the_file_is_read_makes_it_absent(
    shared_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, content, value = shared_server.client, content_of(4 * PART), file_copies.value
    client.flushall()
    store(client, content)

    def deleted_meanwhile(client: redis.Redis, key: str) -> bytes | None:
        if key == keys.blob_part(sha256(content), 0):
            client.delete(keys.blob_part(sha256(content), 3))
        return value(client, key)

    monkeypatch.setattr(file_copies, "value", deleted_meanwhile)
    assert file_copies.load(client, sha256(content)) is None


def test_a_part_that_is_deleted_before_it_is_listed_is_written_again(
    shared_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, content, passed = shared_server.client, content_of(4 * PART), list[str]()
    client.flushall()

    def delete_once(point: str) -> None:
        if point == "copies.part-put" and len(passed) == 3:
            client.delete(keys.blob_part(sha256(content), 1))
        passed.append(point)

    monkeypatch.setattr(file_copies, "failpoint", delete_once)
    store(client, content)
    assert passed.count("copies.parts-listed") == 2
    assert file_copies.load(client, sha256(content)) == content


def test_a_list_that_hangtag_did_not_write_is_no_file(shared_server: RedisServer) -> None:
    client, content = shared_server.client, content_of(3 * PART)
    client.flushall()
    for foreign in (b"", b"{}", b'{"count":0}', b'{"count":1000000000}'):
        client.set(keys.blob_parts(sha256(content)), foreign)
        assert file_copies.load(client, sha256(content)) is None
        assert not file_copies.is_stored(client, sha256(content))
    store(client, content)
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
        assert stored_keys(client) == []
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
    assert LARGE_BYTES < of_reader < LARGE_BYTES + of_one_part + SLACK_BYTES


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
    of_one_part = _peak(lambda: client.get(keys.blob_part(sha, 0)))
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

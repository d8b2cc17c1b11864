"""The mirror in Redis has every version, alias and decision of the store, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.run import window
from producer.versions.catalog import Catalog
from shared import failpoints, keys
from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.messages.model_name import parse
from shared.messages.requests import Remove
from shared.registry import file_copies, mirror_writer, operations, packaged
from shared.registry.mirror_reader import Mirror
from shared.registry.registry import Registry
from shared.runtimes import LITERT
from shared.settings import Settings
from tests.support.servers.redis_server import RedisServer

NAMES = ("boots", "shoes", packaged.NAME)
#: A file that all versions share, like weights published twice.
SAME = b"the same in each"
SHOES = parse("shoes")
MB = 1 << 20


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "store")


@pytest.fixture(scope="module")
def shared_server(server_binary: Path) -> Iterator[RedisServer]:
    """One server for all examples; each of them empties it."""
    with RedisServer(server_binary) as running:
        yield running


def publish(
    registry: Registry, name: str = "shoes", more: Mapping[str, bytes] | None = None
) -> Card:
    card = msgspec.structs.replace(packaged.card(), name=name, files={})
    number = str(len(registry.versions(name)))
    files = {"model.tflite": number.encode(), "model.keras": SAME, **(more or {})}
    return registry.publish(card, files)


def content(seed: int, size: int) -> bytes:
    return Random(seed).randbytes(size)


def no_fault(line: str) -> None:
    raise AssertionError(line)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["publish", "promote", "rollback", "remove", "copy"]),
            st.sampled_from(NAMES),
            st.integers(0, 4),
            st.sampled_from(["production", "canary"]),
        ),
        max_size=15,
    )
)
def test_the_mirror_equals_the_store(
    shared_server: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, str, int, str]],
) -> None:
    """After any steps, with any number of copies in between."""
    client = shared_server.client
    client.flushall()
    registry = Registry(tmp_path_factory.mktemp("store"))
    for what, name, version, alias in steps:
        try:
            if what == "publish":
                publish(registry, name)
            elif what == "promote":
                registry.promote(name, version, alias=alias)
            elif what == "rollback":
                registry.rollback(name, alias=alias)
            elif what == "remove":
                registry.remove(name, version)
            else:
                mirror_writer.publish(client, registry)
        except SetupError:
            pass  # for example, there is no such version
    mirror_writer.publish(client, registry)
    assert Mirror(client).catalog(no_fault) == registry.catalog(no_fault)
    needed = {
        sha256
        for name in registry.names()
        for version in registry.versions(name)
        for sha256 in registry.card(name, version).files.values()
    }
    stored = {file_copies.sha256_of(key) for key in file_copies.stored_keys(client)}
    assert stored <= needed


def test_a_removed_version_is_deleted_from_redis_except_shared_files(
    server: RedisServer, registry: Registry
) -> None:
    gone, stays = publish(registry), publish(registry)
    registry.promote("shoes", stays.version)
    mirror_writer.publish(server.client, registry)
    registry.remove("shoes", gone.version)
    mirror_writer.publish(server.client, registry)
    with pytest.raises(SetupError, match="there is no version shoes@1"):
        Mirror(server.client).card("shoes", gone.version)
    assert not server.client.exists(keys.blob(gone.files["model.tflite"]))
    assert Mirror(server.client).read(stays, "model.keras") == SAME


def test_a_removed_model_leaves_neither_version_nor_alias_in_redis(
    server: RedisServer, registry: Registry
) -> None:
    card = publish(registry)
    mirror_writer.publish(server.client, registry)
    operations.remove(registry, Remove("shoes"), {}, [])
    mirror_writer.publish(server.client, registry)
    assert Mirror(server.client).catalog(no_fault) == registry.catalog(no_fault)
    assert Mirror(server.client).aliases("shoes") == {}
    assert not server.client.exists(keys.blob(card.files["model.tflite"]))
    with pytest.raises(SetupError, match="there is no model shoes"):
        Mirror(server.client).resolve(parse("shoes"))
    again = publish(registry)
    mirror_writer.publish(server.client, registry)
    assert Mirror(server.client).resolve(parse("shoes")) == again


def test_a_store_removes_no_version_that_it_never_had(
    server: RedisServer, registry: Registry, tmp_path: Path
) -> None:
    """As by a trainer that was started with another store by mistake."""
    card = publish(registry, more={"model.tflite": b"mine"})
    mirror_writer.publish(server.client, registry)
    other = Registry(tmp_path / "other")
    publish(other, "boots")
    mirror_writer.publish(server.client, other)
    assert Mirror(server.client).card("shoes", 1) == card
    assert Mirror(server.client).read(card, "model.tflite") == b"mine"


class WithStaleList(Registry):
    """A store whose versions appear right after its removed numbers were listed."""

    def removed(self, name: str) -> list[int]:
        return [*super().removed(name), *self.versions(name)]


def test_a_version_that_appears_during_a_copy_is_not_deleted(
    server: RedisServer, registry: Registry
) -> None:
    for _ in range(2):
        publish(registry)
    mirror_writer.publish(server.client, registry)
    mirror_writer.publish(server.client, WithStaleList(registry.root))
    assert Mirror(server.client).card("shoes", 2).version == 2


def test_an_older_copy_of_the_log_does_not_undo_a_promotion(
    server: RedisServer, registry: Registry, tmp_path: Path
) -> None:
    """As by the timer of this machine's stack during a promotion."""
    for _ in range(2):
        publish(registry)
    earlier = Registry(shutil.copytree(registry.root, tmp_path / "earlier"))
    registry.promote("shoes", 2)
    mirror_writer.publish(server.client, registry)
    mirror_writer.publish(server.client, earlier)
    assert Mirror(server.client).aliases("shoes") == {"production": 2}
    assert [one.version for one in Mirror(server.client).history("shoes")] == [1, 2]


def test_a_damaged_version_does_not_block_others(server: RedisServer, registry: Registry) -> None:
    publish(registry, "boots")
    good = publish(registry)
    (registry.root / "boots/1/card.json").write_bytes(b"{")
    with pytest.raises(SetupError, match="boots@1 is damaged"):
        mirror_writer.publish(server.client, registry)
    assert Mirror(server.client).card("shoes", 1) == good
    assert Mirror(server.client).aliases("shoes") == {"production": 1}


def test_only_small_and_recent_plots_are_mirrored(
    server: RedisServer, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_writer, "MAX_PICTURES_BYTES", 250)
    cards = [
        publish(registry, more={"small.png": bytes([n]) * 100, "large.png": bytes([n]) * 151})
        for n in range(4)
    ]
    mirror_writer.publish(server.client, registry)
    mirrored = [bool(server.client.exists(keys.blob(card.files["small.png"]))) for card in cards]
    assert mirrored == [False, False, True, True]
    newest = cards[-1]
    assert not server.client.exists(keys.blob(newest.files["large.png"]))
    assert Mirror(server.client).read(newest, "small.png") == b"\3" * 100


def test_keys_that_redis_lost_are_restored(server: RedisServer, registry: Registry) -> None:
    publish(registry, more={"a.png": b"x"})
    mirror_writer.publish(server.client, registry)
    before = Mirror(server.client).catalog(no_fault)
    for key in sorted(server.client.keys("*")):
        server.client.delete(key)
        mirror_writer.publish(server.client, registry)
        assert server.client.exists(key), key
        assert Mirror(server.client).catalog(no_fault) == before


def test_a_file_that_redis_has_is_not_read_again(server: RedisServer, registry: Registry) -> None:
    """The timer of a store of many versions would read all of it."""
    card = publish(registry)
    mirror_writer.publish(server.client, registry)
    (registry.root / "shoes/1/model.keras").write_bytes(b"damaged")
    mirror_writer.publish(server.client, registry)
    assert Mirror(server.client).read(card, "model.keras") == SAME


def test_a_file_of_several_versions_takes_its_room_once(
    server: RedisServer, registry: Registry
) -> None:
    shared = content(1, 4 * MB)
    cards = [publish(registry, more={"model.keras": shared}) for _ in range(4)]
    server.client.config_set("maxmemory", 24 * MB)
    mirror_writer.publish(server.client, registry)
    assert all(Mirror(server.client).read(card, "model.keras") == shared for card in cards)


def test_a_file_that_does_not_fit_leaves_the_rest_of_its_version(
    server: RedisServer, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = publish(registry, more={"model.keras": bytes(4 << 20)})
    server.client.config_set("maxmemory", server.client.info("memory")["used_memory"] + (4 << 20))
    with pytest.raises(SetupError, match=r"model.keras of shoes@1: 4 MiB do not fit .* maxmemory"):
        mirror_writer.publish(server.client, registry)
    assert Mirror(server.client).read(card, "model.tflite") == b"0"
    with pytest.raises(SetupError, match=r"model.keras of shoes@1 is not in Redis"):
        Mirror(server.client).read(card, "model.keras")
    server.client.config_set("maxmemory", 0)
    mirror_writer.publish(server.client, registry)
    assert Mirror(server.client).read(card, "model.keras") == bytes(4 << 20)


def test_copies_of_many_versions_leave_memory_to_jobs(
    server: RedisServer, registry: Registry
) -> None:
    """Each file fits; all together would take more than what producers may fill."""
    client = server.client
    client.config_set("maxmemory", 32 << 20)
    cards = [publish(registry, more={"model.tflite": content(n, MB)}) for n in range(30)]
    no_room = r"model.tflite of shoes@\d+: 1 MiB do not fit .* rm \w+ --unused"
    with pytest.raises(SetupError, match=no_room):
        mirror_writer.publish(client, registry)
    assert not window.measure(client, LITERT).full
    copied = [bool(client.exists(keys.blob(card.files["model.tflite"]))) for card in cards]
    assert 10 < sum(copied) < 20
    newest = -sum(copied) + 1
    assert copied == [True, *[False] * (29 + newest), *[True] * -newest], "not the newest"
    assert Mirror(client).catalog(no_fault) == registry.catalog(no_fault)
    missing = cards[copied.index(False)]
    with pytest.raises(
        SetupError,
        match=f"model.tflite of {missing.ref} is not in Redis; start .* rm NAME --unused",
    ):
        Mirror(client).read(missing, "model.tflite")


def test_a_removed_version_makes_room_for_a_new_one(
    server: RedisServer, registry: Registry
) -> None:
    """Also where Redis accepts no writes any more."""
    client = server.client
    gone, stays = (publish(registry, more={"model.tflite": content(n, MB)}) for n in range(2))
    registry.promote("shoes", stays.version)
    mirror_writer.publish(client, registry)
    registry.remove("shoes", gone.version)
    fresh = publish(registry, more={"model.tflite": b"fresh"})
    client.config_set("maxmemory", client.info("memory")["used_memory"] - (16 << 10))
    mirror_writer.refresh(client, registry)
    assert not client.exists(keys.blob(gone.files["model.tflite"]))
    assert Mirror(client).card("shoes", fresh.version) == fresh


def test_files_for_tensorflow_leave_room_for_those_of_most_workers(
    server: RedisServer, registry: Registry
) -> None:
    sizes = {"model.keras": 2 * MB, "model.tflite": MB // 2}
    cards = [
        publish(registry, more={name: content(n, size) for name, size in sizes.items()})
        for n in range(8)
    ]
    server.client.config_set("maxmemory", 24 * MB)
    with pytest.raises(SetupError, match=r"model.keras of shoes@\d: 2 MiB do not fit into the 50%"):
        mirror_writer.publish(server.client, registry)
    copied = {
        name: [bool(server.client.exists(keys.blob(card.files[name]))) for card in cards]
        for name in sizes
    }
    assert copied["model.keras"][0], "production"
    assert 1 < sum(copied["model.keras"]) < 8
    assert all(copied["model.tflite"])


def test_copies_give_way_to_those_that_are_needed_more(
    server: RedisServer, registry: Registry
) -> None:
    """First what an alias or a job leads to, then the newest versions, then pictures."""
    client = server.client
    plots = {f"{n}.png": content(n, MB) for n in range(12)}
    first = publish(registry, more=plots)
    mirror_writer.publish(client, registry)
    client.config_set("maxmemory", 40 * MB)
    cards = [publish(registry, more={"model.tflite": content(20 + n, 6 * MB)}) for n in range(4)]

    def copied() -> list[bool]:
        return [bool(client.exists(keys.blob(card.files["model.tflite"]))) for card in cards]

    with pytest.raises(SetupError, match=r"model.tflite of shoes@[23]: 6 MiB do not fit into the"):
        mirror_writer.publish(client, registry)
    assert copied() == [False, False, True, True]
    assert not client.exists(keys.blob(first.files["11.png"]))
    assert not window.measure(client, LITERT).full
    client.zadd(keys.JOBS, {"j": 1.0})
    pin = msgspec.json.encode({"name": "shoes", "version": cards[0].version})
    client.hset(keys.job("j", "record"), "record", pin)
    with pytest.raises(SetupError, match=r"model.tflite of shoes@[34]: 6 MiB do not fit into the"):
        mirror_writer.publish(client, registry)
    assert copied() == [True, False, False, True]
    assert Mirror(client).read(first, "model.tflite") == b"0", "production"


def test_an_alias_always_leads_to_a_version_while_copies_change(
    server: RedisServer, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = publish(registry)
    mirror_writer.publish(server.client, registry)
    fresh = publish(registry)
    registry.promote("shoes", fresh.version)
    registry.remove("shoes", gone.version)
    seen: list[Card] = []
    monkeypatch.setattr(
        failpoints, "_on_pass", lambda _: seen.append(Mirror(server.client).resolve(SHOES))
    )
    mirror_writer.publish(server.client, registry)
    assert seen[0] == gone
    assert seen[-1] == fresh
    assert not server.client.exists(keys.model_card("shoes", gone.version))


@pytest.mark.parametrize("filename", ["notes.txt", "confusion.png"])
def test_a_file_without_a_copy_is_read_on_the_machine_of_the_store_without_redis(
    server: RedisServer, registry: Registry, filename: str
) -> None:
    card = publish(registry, more={filename: b"kept"})
    with pytest.raises(SetupError, match="on the trainer's machine, without HANGTAG_REDIS_URL"):
        Mirror(server.client).read(card, filename)
    assert Catalog(Settings(store=str(registry.root))).read(card, filename) == b"kept"

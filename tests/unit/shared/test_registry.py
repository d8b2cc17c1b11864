"""The registry: versions are immutable, aliases have a complete history."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import file_lock
from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.messages.model_name import ModelName
from shared.registry import packaged, staging
from shared.registry.alias_log import AliasLog, aliases_after
from shared.registry.registry import Registry

FILES = {"model.tflite": b"one", "model.keras": b"two"}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "store")


@pytest.fixture
def card() -> Card:
    return msgspec.structs.replace(packaged.card(), name="shoes", version=99, files={})


def test_an_empty_registry_has_the_packaged_version_in_production(registry: Registry) -> None:
    assert registry.names() == [packaged.NAME]
    assert registry.versions(packaged.NAME) == [0]
    assert registry.aliases(packaged.NAME) == {"production": 0}
    assert registry.card(packaged.NAME, 0) == packaged.card()
    assert registry.read(registry.card(packaged.NAME, 0), "model.tflite")
    assert not registry.root.exists()


def test_a_published_version_is_read_back_unchanged(registry: Registry, card: Card) -> None:
    published = registry.publish(card, FILES)
    assert published.ref == "shoes@1"
    assert registry.card("shoes", 1) == published
    assert {name: registry.read(published, name) for name in FILES} == FILES


def test_versions_count_up_and_only_the_first_is_promoted(registry: Registry, card: Card) -> None:
    assert [registry.publish(card, FILES).version for _ in range(3)] == [1, 2, 3]
    assert registry.versions("shoes") == [1, 2, 3]
    assert registry.aliases("shoes") == {"production": 1}


def test_concurrent_publishers_get_distinct_numbers(registry: Registry, card: Card) -> None:
    published: list[Card] = []
    threads = [
        threading.Thread(target=lambda n=n: published.append(registry.publish(card, {"n": n})))
        for n in (b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(card.version for card in published) == list(range(1, 9))
    assert {registry.read(card, "n") for card in published} == set(map(bytes, zip(b"abcdefgh")))


class Simultaneous(Registry):
    """Its users read the aliases at the same time if no lock prevents it."""

    both = threading.Barrier(2, timeout=0.5)

    def aliases(self, name: str) -> dict[str, int]:
        found = super().aliases(name)
        with suppress(threading.BrokenBarrierError):
            self.both.wait()
        return found


def test_only_one_of_two_concurrent_publishers_is_the_first(tmp_path: Path, card: Card) -> None:
    registry = Simultaneous(tmp_path)
    threads = [threading.Thread(target=registry.publish, args=(card, FILES)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(registry.versions("shoes")) == 2
    assert len(registry.history("shoes")) == 1


def test_a_version_without_its_card_does_not_exist_and_its_number_is_not_reused(
    registry: Registry, card: Card
) -> None:
    def too_late() -> None:
        raise SetupError("the work must stop")

    with pytest.raises(SetupError, match="must stop"):
        registry.publish(card, FILES, confirm=too_late)
    assert registry.versions("shoes") == []
    assert registry.aliases("shoes") == {}
    assert registry.publish(card, FILES).version == 2


def test_a_version_is_found_by_its_request(registry: Registry, card: Card) -> None:
    asked = registry.publish(msgspec.structs.replace(card, request="asked"), FILES)
    registry.publish(card, FILES)
    assert staging.published(registry, "shoes", "asked") == asked
    assert staging.published(registry, "shoes", "other") is None


def test_only_the_staged_files_of_the_request_are_swept(registry: Registry, card: Card) -> None:
    """Its author may be suspended between the last check and the renaming."""

    def sweep() -> None:
        staging.sweep(registry, "shoes", "asked")

    asked = msgspec.structs.replace(card, request="asked")
    other = msgspec.structs.replace(card, request="other")
    assert registry.publish(asked, FILES).version == 1
    assert registry.publish(other, FILES, confirm=sweep).version == 2
    with pytest.raises(SetupError, match="emptied"):
        registry.publish(asked, FILES, confirm=sweep)
    assert registry.versions("shoes") == [1, 2]
    assert list(registry.root.glob("shoes/3/*")) == []


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "linked"])
def test_a_file_that_differs_from_its_card_is_refused(
    registry: Registry, card: Card, damage: str
) -> None:
    card = registry.publish(card, FILES)
    path = registry.root / "shoes/1/model.tflite"
    if damage == "linked":
        path.rename(path.with_name("same-bytes"))
        path.symlink_to("same-bytes")
    elif damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"onE" if damage == "changed" else b"on")
    with pytest.raises(SetupError, match="train or import it again"):
        registry.read(card, "model.tflite")


def test_a_card_that_was_moved_is_refused(registry: Registry, card: Card) -> None:
    registry.publish(card, FILES)
    (registry.root / "shoes/1").rename(registry.root / "shoes/7")
    with pytest.raises(SetupError, match="shoes@1"):
        registry.card("shoes", 7)


def test_a_damaged_card_is_one_line(registry: Registry, card: Card) -> None:
    registry.publish(card, FILES)
    (registry.root / "shoes/1/card.json").write_bytes(b'{"name"')
    with pytest.raises(SetupError, match="damaged") as error:
        registry.card("shoes", 1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["..", "../shoes", "a/b", "", "/etc", "Shoes", "a\x00"])
def test_a_path_is_no_model(registry: Registry, card: Card, name: str) -> None:
    for call in (registry.versions, registry.aliases, registry.history, registry.rollback):
        with pytest.raises(SetupError):
            call(name)
    with pytest.raises(SetupError):
        registry.publish(msgspec.structs.replace(card, name=name), FILES)


@pytest.mark.parametrize("name", ["../x", "a/b", "card.json", ".card.json", "", "a\x00b"])
def test_a_path_is_no_file_of_a_version(registry: Registry, card: Card, name: str) -> None:
    with pytest.raises(SetupError):
        registry.publish(card, {name: b""})
    assert registry.versions("shoes") == []
    listed = msgspec.structs.replace(registry.publish(card, FILES), files={name: "0" * 64})
    with pytest.raises(SetupError):
        registry.read(listed, name)


def test_symbolic_links_are_neither_models_nor_versions(
    registry: Registry, card: Card, tmp_path: Path
) -> None:
    registry.publish(card, FILES)
    (registry.root / "shoes/2").symlink_to("1")
    (registry.root / "boots").symlink_to("shoes")
    assert registry.versions("shoes") == [1]
    assert "boots" not in registry.names()
    with pytest.raises(SetupError, match="symbolic link"):
        registry.publish(msgspec.structs.replace(card, name="boots"), FILES)


def test_only_versions_that_exist_are_promoted(registry: Registry, card: Card) -> None:
    registry.publish(card, FILES)
    with pytest.raises(SetupError, match="there is no version shoes@2; there is: shoes@1;"):
        registry.promote("shoes", 2)
    assert registry.aliases("shoes") == {"production": 1}


def test_an_alias_that_was_never_promoted_is_named_with_the_existing_ones(
    registry: Registry, card: Card
) -> None:
    registry.publish(card, FILES)
    text = "there is no alias shoes@canary; there is: shoes@production;"
    with pytest.raises(SetupError, match=text):
        registry.resolve(ModelName("shoes", None, "canary"))
    with pytest.raises(SetupError, match=text):
        registry.rollback("shoes", alias="canary")


def test_a_first_promotion_cannot_be_taken_back(registry: Registry, card: Card) -> None:
    registry.publish(card, FILES)
    with pytest.raises(SetupError, match="shoes@production has no promotion to take back"):
        registry.rollback("shoes")


@pytest.mark.parametrize("alias", ["7", "", "a/b", "Production"])
def test_an_alias_cannot_look_like_a_version_or_a_path(
    registry: Registry, card: Card, alias: str
) -> None:
    registry.publish(card, FILES)
    with pytest.raises(SetupError, match="cannot be an alias"):
        registry.promote("shoes", 1, alias=alias)


def test_a_pipe_in_place_of_the_log_of_aliases_is_not_waited_for(
    registry: Registry, card: Card
) -> None:
    published = registry.publish(card, FILES)
    log = registry.root / published.name / "aliases.log"
    log.unlink()
    os.mkfifo(log)
    with pytest.raises(OSError, match="not a regular file"):
        registry.history(published.name)
    with pytest.raises(SetupError, match="not a regular file"):
        registry.promote(published.name, 1)


def test_a_torn_line_is_skipped_and_hides_no_later_one(registry: Registry, card: Card) -> None:
    for _ in range(3):
        registry.publish(card, FILES)
    registry.promote("shoes", 2)
    log = registry.root / "shoes/aliases.log"
    whole = log.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(last, len(whole)):
        log.write_bytes(whole[:cut])
        expected = 2 if cut == len(whole) - 1 else 1  # only the line break is missing
        assert registry.aliases("shoes") == {"production": expected}
        registry.promote("shoes", 3)
        assert registry.aliases("shoes") == {"production": 3}


def test_a_removed_version_is_deleted_and_its_number_is_not_reused(
    registry: Registry, card: Card
) -> None:
    for _ in range(3):
        registry.publish(card, FILES)
    registry.remove("shoes", 2)
    registry.remove("shoes", 3)
    assert registry.versions("shoes") == [1]
    assert registry.publish(card, FILES).version == 4
    for version in (1, 2):  # in production; removed
        with pytest.raises(SetupError):
            registry.remove("shoes", version)
    with pytest.raises(SetupError, match="part of Hangtag"):
        registry.remove(packaged.NAME, 0)


@settings(deadline=None)
@given(st.lists(st.one_of(st.integers(1, 4), st.just("rollback")), max_size=12))
def test_rollback_undoes_promotions_one_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int | str]
) -> None:
    log = AliasLog(tmp_path_factory.mktemp("model"))
    stack: list[int] = []
    for step in steps:
        if isinstance(step, int):
            stack.append(step)
            log.append("production", step, "promote", "", "")
        elif len(stack) > 1:
            stack.pop()
            previous = log.previous("production")
            assert previous == stack[-1]
            log.append("production", previous, "rollback", "", "")
        else:
            assert log.previous("production") is None
        log.append("canary", 9, "promote", "", "")
    assert aliases_after("shoes", log.decisions()).get("production") == (
        stack[-1] if stack else None
    )


def test_a_version_that_is_promoted_meanwhile_is_not_removed(
    registry: Registry, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        registry.publish(card, FILES)
    reached, acquire = threading.Event(), file_lock.acquire

    def announced(file: int) -> None:
        reached.set()
        acquire(file)

    with ThreadPoolExecutor() as pool:
        with AliasLog(registry.folder("shoes")).locked() as log:
            monkeypatch.setattr(file_lock, "acquire", announced)
            removal = pool.submit(registry.remove, "shoes", 2)
            reached.wait(10)
            log.append("production", 2, "promote", "ann", "better")
        with pytest.raises(SetupError, match="used by an alias"):
            removal.result(30)
    assert registry.versions("shoes") == [1, 2]


def test_a_retrained_packaged_model_needs_a_promotion(registry: Registry) -> None:
    registry.publish(packaged.card(), FILES)
    assert registry.versions(packaged.NAME) == [0, 1]
    assert registry.aliases(packaged.NAME) == {"production": 0}
    registry.promote(packaged.NAME, 1)
    assert registry.aliases(packaged.NAME) == {"production": 1}
    assert registry.rollback(packaged.NAME).version == 0


def test_the_sizes_of_the_packaged_version_need_no_store(registry: Registry) -> None:
    sizes = registry.sizes(packaged.card())
    assert sizes.keys() == packaged.card().files.keys()
    assert all(sizes.values())
    assert not registry.root.exists()


def test_a_version_has_the_aliases_that_point_to_it(registry: Registry, card: Card) -> None:
    for _ in range(2):
        registry.publish(card, FILES)
    registry.promote("shoes", 2, alias="canary")
    found = [one.aliases for one in registry.catalog(pytest.fail) if one.card.name == "shoes"]
    assert found == [("production",), ("canary",)]

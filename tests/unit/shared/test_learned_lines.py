"""What a model has learned from people: the last decision about a file holds, whichever version has
it."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SetupError
from shared.labels.label_line import LabelLine
from shared.labels.labels_so_far import LabelsSoFar
from shared.labels.submitted_lines import encode_lines
from shared.messages.model_card import Card
from shared.registry import learned_lines, packaged
from shared.registry.learned_lines import FILE, OLD_FILE, in_order
from shared.registry.registry import Registry
from tests.support.jobs.decided import line_of


def decision(content: str, label: str, time: int, path: str = "", **more: object) -> LabelLine:
    """An empty label takes one back."""
    return line_of(content.encode(), label, at=f"2026-{time:02}", path=path, undo=not label, **more)


def publish(registry: Registry, *lines: LabelLine, request: str = "r~1") -> Card:
    return publish_file(registry, FILE, encode_lines(lines), request)


def publish_file(registry: Registry, name: str, data: bytes, request: str = "r~1") -> Card:
    card = msgspec.structs.replace(packaged.card(), name="mine", version=0, request=request)
    files = {name: packaged.read(name) for name in packaged.card().files} | {name: data}
    return registry.publish(card, files, who="tester")


def labels(registry: Registry) -> list[str]:
    lines = learned_lines.of_model(registry, "mine").lines
    return sorted(line.label for line in LabelsSoFar(in_order(lines)).labelled())


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "x", "y"]))),
    st.randoms(use_true_random=False),
)
def test_the_last_decision_on_each_file_holds(given: list[tuple[str, str]], chance: object) -> None:
    every = [decision(file, label, time) for time, (file, label) in enumerate(given)]
    mixed = list(every)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    found = LabelsSoFar(in_order(mixed)).labelled()
    last = {one.sha256: one.label for one in every}
    assert {one.sha256: one.label for one in found} == {
        sha256: label for sha256, label in last.items() if label
    }


def test_a_file_that_was_not_found_keeps_its_earlier_path() -> None:
    earlier, later = decision("a", "x", 1, "/a.png"), decision("a", "y", 2)
    *_, found = in_order([later, earlier])
    assert (found.label, found.place) == ("y", b"/a.png")


def test_a_version_that_was_published_later_does_not_bring_back_an_older_decision(
    tmp_path: Path,
) -> None:
    registry = Registry(tmp_path)
    publish(registry, decision("a", "new", 2), decision("b", "x", 2))
    publish(registry, decision("a", "old", 1))
    assert labels(registry) == ["new", "x"]
    assert learned_lines.of_model(registry, "mine").unreadable == []


def test_the_versions_of_a_request_itself_are_left_out(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    publish(registry, decision("a", "x", 1), request="r~1")
    assert learned_lines.of_model(registry, "mine", but="r~1").lines == []
    assert len(learned_lines.of_model(registry, "mine", but="r~2").lines) == 1


def test_a_damaged_record_is_named_and_the_others_count(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    card = publish(registry, decision("a", "x", 1))
    publish(registry, decision("b", "y", 2))
    path = next(tmp_path.glob(f"mine/*{card.version}/{FILE}"))
    path.write_bytes(path.read_bytes().replace(b'"x"', b'"z"'))
    assert labels(registry) == ["y"]
    [line] = learned_lines.of_model(registry, "mine").unreadable
    assert FILE in line


@pytest.mark.parametrize(
    ("name", "data"),
    [(FILE, b"{}\n"), (FILE, b"[]"), (OLD_FILE, b"[]"), (OLD_FILE, b"{"), (OLD_FILE, b"{}")],
)
def test_another_form_is_refused_in_one_line(tmp_path: Path, name: str, data: bytes) -> None:
    registry = Registry(tmp_path)
    card = publish_file(registry, name, data)
    with pytest.raises(SetupError) as raised:
        learned_lines.read(registry, card)
    assert card.ref in str(raised.value)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_version_without_a_record_has_no_corrections(tmp_path: Path) -> None:
    assert learned_lines.read(Registry(tmp_path), packaged.card()) == []


def test_a_version_without_class_folders_that_has_learned_labels_is_one_of_labels(
    tmp_path: Path,
) -> None:
    card = publish(Registry(tmp_path), decision("a", "x", 1))
    without = msgspec.structs.replace(card, source="")
    assert learned_lines.is_of_labels(without)
    assert learned_lines.is_of_labels(msgspec.structs.replace(without, files={OLD_FILE: ""}))
    assert not learned_lines.is_of_labels(msgspec.structs.replace(card, source="photos"))
    assert not learned_lines.is_of_labels(msgspec.structs.replace(without, files={}))


def test_a_record_of_0_2_0_is_read(tmp_path: Path) -> None:
    """A label, one that was taken back, and an earlier version's path that is not UTF-8."""
    a, b = (hashlib.sha256(content).hexdigest() for content in (b"a", b"b"))
    path = b"/p/\xff.png"
    record = {
        "decisions": [
            {
                "file": {
                    "sha256": a, "size": 1, "label": "Coat", "path": b64encode(path).decode(),
                    "crc32": "e8b7be43", "by": "ada", "at": "2026-11-29T06:00:00.000+00:00",
                    "by_chance": True,
                },
                "submitted": 1_800_000_000.5,
            },
            {
                "file": {"sha256": b, "size": 1, "label": "", "path": ""},
                "submitted": 1_800_000_000.5,
            },
        ],
        "form": 1,
    }  # fmt: skip
    registry = Registry(tmp_path)
    lines = learned_lines.read(
        registry, publish_file(registry, OLD_FILE, json.dumps(record).encode())
    )
    of_a, of_b = lines
    assert (of_a.sha256, of_a.label, of_a.place, of_a.by_chance) == (a, "Coat", path, True)
    assert (of_a.by, of_a.at) == ("ada", "2026-11-29T06:00:00.000+00:00")
    assert (of_b.sha256, of_b.undo, of_b.at[:10]) == (b, True, "2027-01-15")
    earlier = line_of(b"b", "Bag", at="2026-11-29T06:00:00.000+00:00")
    assert [one.label for one in LabelsSoFar(in_order([*lines, earlier])).labelled()] == ["Coat"]
    assert LabelsSoFar(lines).labelled() == [of_a]
    assert len(encode_lines(lines).splitlines()) == 2


def test_a_name_stays_excluded_until_the_image_gets_it() -> None:
    excluded = decision("a", "x", 1, kind="not-this")

    def after(*later: LabelLine) -> tuple[str, ...]:
        return LabelsSoFar(in_order([excluded, *later])).excluded(excluded.sha256)

    assert after() == ("x",)
    assert after(decision("a", "y", 2)) == ("x",)
    assert after(decision("a", "y", 2), decision("a", "", 3)) == ("x",)
    assert after(decision("a", "x", 2)) == ()
    assert after(decision("a", "y", 2, kind="not-this")) == ("x", "y")
    assert after(msgspec.structs.replace(excluded, at="2026-02", undo=True)) == ()

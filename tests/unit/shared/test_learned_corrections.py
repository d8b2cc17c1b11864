"""The corrections of a model: the last decision on a file holds, whichever version has it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SetupError
from shared.labels.labelled_files import LabelledFile
from shared.messages.model_card import Card
from shared.registry import learned_corrections, packaged
from shared.registry.learned_corrections import FILE, LearnedDecision
from shared.registry.registry import Registry

decisions_of = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "x", "y"])))


def decision(content: str, label: str, submitted: float, path: bytes = b"") -> LearnedDecision:
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return LearnedDecision(LabelledFile(sha256, len(content), label, path), submitted)


def publish(registry: Registry, *decisions: LearnedDecision, request: str = "r~1") -> Card:
    card = msgspec.structs.replace(packaged.card(), name="mine", version=0, request=request)
    files = {name: packaged.read(name) for name in packaged.card().files}
    files[FILE] = learned_corrections.encode(decisions)
    return registry.publish(card, files, who="tester")


@given(decisions_of, st.randoms(use_true_random=False))
def test_the_last_submitted_decision_on_each_file_holds(
    given: list[tuple[str, str]], chance: object
) -> None:
    every = [decision(file, label, time) for time, (file, label) in enumerate(given)]
    mixed = list(every)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    found = learned_corrections.latest(mixed)
    last = {one.file.sha256: one.file.label for one in every}
    assert {one.file.sha256: one.file.label for one in found} == last
    in_force = {one.sha256: one.label for one in learned_corrections.in_force(found)}
    assert in_force == {sha256: label for sha256, label in last.items() if label}


def test_a_file_that_was_not_found_keeps_its_earlier_path() -> None:
    earlier, later = decision("a", "x", 1, b"/a.png"), decision("a", "y", 2)
    [found] = learned_corrections.latest([later, earlier])
    assert (found.file.label, found.file.path) == ("y", b"/a.png")


def test_a_version_that_was_published_later_does_not_bring_back_an_older_decision(
    tmp_path: Path,
) -> None:
    """Of a training that was requested before another one."""
    registry = Registry(tmp_path)
    publish(registry, decision("a", "new", 2), decision("b", "x", 2))
    publish(registry, decision("a", "old", 1))
    found = learned_corrections.of_model(registry, "mine")
    assert sorted(one.file.label for one in found.decisions) == ["new", "x"]
    assert found.unreadable == []


def test_the_versions_of_a_request_itself_are_left_out(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    publish(registry, decision("a", "x", 1), request="r~1")
    assert learned_corrections.of_model(registry, "mine", but="r~1").decisions == []
    assert len(learned_corrections.of_model(registry, "mine", but="r~2").decisions) == 1


def test_a_damaged_record_is_named_and_the_others_count(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    card = publish(registry, decision("a", "x", 1))
    publish(registry, decision("b", "y", 2))
    path = next(tmp_path.glob(f"mine/*{card.version}/{FILE}"))
    path.write_bytes(path.read_bytes().replace(b'"x"', b'"z"'))
    found = learned_corrections.of_model(registry, "mine")
    assert [one.file.label for one in found.decisions] == ["y"]
    [line] = found.unreadable
    assert FILE in line


@pytest.mark.parametrize("data", [b'{"decisions": [], "form": 2}', b"[]", b"{"])
def test_a_newer_or_another_form_is_refused_in_one_line(data: bytes, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    card = msgspec.structs.replace(packaged.card(), name="mine", version=0)
    files = {name: packaged.read(name) for name in packaged.card().files} | {FILE: data}
    card = registry.publish(card, files, who="tester")
    with pytest.raises(SetupError) as raised:
        learned_corrections.read(registry, card)
    assert card.ref in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_version_without_a_record_has_no_corrections(tmp_path: Path) -> None:
    assert learned_corrections.read(Registry(tmp_path), packaged.card()) == []


def test_a_version_without_class_folders_that_has_learned_labels_is_one_of_labels(
    tmp_path: Path,
) -> None:
    card = publish(Registry(tmp_path), decision("a", "x", 1))
    without = msgspec.structs.replace(card, source="")
    assert learned_corrections.is_of_labels(without)
    assert not learned_corrections.is_of_labels(msgspec.structs.replace(card, source="photos"))
    assert not learned_corrections.is_of_labels(msgspec.structs.replace(without, files={}))


def of_labels_file(label: str, *excluded: str, submitted: float) -> LearnedDecision:
    """A decision of a labels file, which has a CRC-32."""
    file = decision("a", label, submitted).file
    file = msgspec.structs.replace(file, crc32="0" * 8, by="ann", excluded=excluded)
    return LearnedDecision(file, submitted)


def test_a_name_stays_excluded_until_the_image_gets_it() -> None:
    """Decisions of tables, and labels of a labels file, say nothing of the names before."""
    excluded = of_labels_file("", "x", submitted=1)

    def after(*later: LearnedDecision) -> tuple[str, ...]:
        [found] = learned_corrections.latest([excluded, *later])
        return found.file.excluded

    assert after() == ("x",)
    assert after(decision("a", "y", 2)) == ("x",)
    assert after(decision("a", "y", 2), decision("a", "", 3)) == ("x",)
    assert after(of_labels_file("y", submitted=2)) == ("x",)
    assert after(decision("a", "x", 2)) == ()
    assert after(decision("a", "x", 2), decision("a", "y", 3)) == ()
    assert after(of_labels_file("", "y", submitted=2)) == ("y",)
    assert after(of_labels_file("y", "z", submitted=2)) == ("z",)
    assert after(of_labels_file("", submitted=2)) == ()


def test_a_version_keeps_files_that_have_excluded_names_alone(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    publish(registry, of_labels_file("", "x", submitted=1))
    publish(registry, decision("b", "y", 2), request="r~2")
    found = learned_corrections.of_model(registry, "mine").decisions
    assert {one.file.excluded for one in found if not one.file.label} == {("x",)}
    assert [file.label for file in learned_corrections.in_force(found)] == ["y"]

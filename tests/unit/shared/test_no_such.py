"""The sentence for a name that does not exist."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared import recipes, runtimes
from shared.errors import SetupError, first_names, no_model, no_such
from worker.backbones import backbone_table


def test_a_similar_name_is_proposed_and_otherwise_the_known_ones_are_listed() -> None:
    known = ("fashion-mnist", "garments")
    near, far = no_model("fashon-mnist", known), no_model("zoo", known)
    assert "fashion-mnist?" in near
    assert "garments" not in near
    assert "fashion-mnist, garments;" in far
    for line, name in ((near, "fashon-mnist"), (far, "zoo")):
        assert line.startswith(f"there is no model {name};")
        assert line.endswith("see: hangtag models list")
    none = no_such("job", "x", (), "hangtag status")
    assert none.startswith("there is no job x;")
    assert none.endswith("see: hangtag status")


def test_the_sentence_is_one_bounded_line_of_printable_characters() -> None:
    many = (f"model{n}" for n in range(10_000))
    line = no_model("a\nb" + "\x1b[31m" + "x" * 9_000, many)
    assert line.isprintable()
    assert len(line) < 300


def test_of_many_names_the_first_are_listed_and_the_others_counted() -> None:
    names = [f"n{n}" for n in range(1, 9)]
    assert first_names(names, 3) == "n1, n2, n3 and 5 more"
    assert first_names(names[:4], 3) == "n1, n2, n3, n4", "a name is as short as a count"
    assert first_names(names) == "n1, n2, n3, n4, n5 and 3 more"


@pytest.mark.parametrize(
    ("find", "name", "near"),
    [
        (recipes.find, "acurate", "accurate"),
        (runtimes.find, "tensorflw", "tensorflow"),
        (backbone_table.find, "efficientnet-lite9", "efficientnet-lite2 or efficientnet-lite0"),
    ],
)
def test_every_table_proposes_the_nearest_of_its_rows(
    find: Callable[[str], object], name: str, near: str
) -> None:
    with pytest.raises(SetupError, match=rf"^there is no \w+ {name}; did you mean {near}\? "):
        find(name)

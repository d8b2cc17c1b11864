"""The sentence for a name that does not exist."""

from __future__ import annotations

from shared.errors import no_model, no_such


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

"""A line is one decision; those of 0.2.0 are read, and those of newer versions are refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadMessage
from shared.labels.label_line import LabelLine, NewerLine, decode, encode
from tests.support.jobs.decided import line_of

#: As 0.2.0 wrote them: of a table, of a labels file, and a rename.
OF_TABLE = (
    '{"sha256":"' + "0" * 64 + '","path":"a.png","row":1,"guess":"Coat","label":"Shirt",'
    '"by":"ada","size":9,"crc32":"0badcafe","at":"now","undo":false,"rows":[1,7]}'
)
OF_FOLDER = (
    '{"sha256":"' + "0" * 64 + '","path":"p/a.png","label":"Shirt","by":"ada","size":9,'
    '"crc32":"0badcafe","at":"now","undo":false,"kind":"label","by_chance":true,'
    '"taken_from":"old.csv"}'
)
RENAMED = '{"rename":"Shirt","label":"Top","by":"ada","at":"now","undo":true}'
SAME = {
    "sha256": "0" * 64, "size": 9, "crc32": "0badcafe", "kind": "label", "label": "Shirt"
}  # fmt: skip
KEYS = st.binary(max_size=2)
TEXTS = st.text(max_size=6)


def test_lines_of_0_2_0_are_read() -> None:
    given_ = {"by": "ada", "at": "now"}
    assert decode(OF_TABLE.encode()) == LabelLine(
        **SAME, path="a.png", rows=(1, 7), guess="Coat", **given_  # type: ignore[arg-type]
    )  # fmt: skip
    assert decode(OF_FOLDER.encode()) == LabelLine(
        **SAME, path="p/a.png", by_chance=True, taken_from="old.csv", **given_  # type: ignore[arg-type]
    )  # fmt: skip
    assert decode(RENAMED.encode()) == LabelLine(
        kind="rename", taken_from="Shirt", label="Top", undo=True, by="ada", at="now"
    )


@given(
    st.builds(
        line_of, KEYS, TEXTS.map("a{}".format), path=TEXTS, guess=TEXTS, by=TEXTS, at=TEXTS,
        rows=st.lists(st.integers(1, 9), max_size=2).map(tuple), undo=st.booleans(),
        by_chance=st.booleans(), taken_from=TEXTS, kind=st.sampled_from(["label", "not-this"]),
    )
)  # fmt: skip
def test_a_line_is_one_decision(line: LabelLine) -> None:
    assert encode(line).count(b"\n") == 1
    assert decode(encode(line)) == line


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"sha256": "0" * 63}, "sha256 is not"),
        ({"sha256": None}, "Expected `str`"),
        ({"crc32": "x"}, "crc32 is not"),
        ({"label": ""}, "do not agree"),
        ({"kind": "left-out"}, "do not agree"),
        ({"kind": "not-this", "label": ""}, "do not agree"),
        ({"kind": "rename"}, "taken_from is empty"),
        ({"size": -9}, "size"),
        ({"rows": [0]}, "rows"),
    ],
)
def test_a_damaged_line_is_refused(changed: dict[str, object], why: str) -> None:
    fields = json.loads(encode(line_of(b"a", "Shirt"))) | changed
    with pytest.raises(BadMessage, match=why):
        decode(json.dumps(fields).encode())
    for text in (b"{", b"[]", b"", b"\xff"):
        with pytest.raises(BadMessage):
            decode(text)


def test_a_line_of_a_newer_version_is_told_from_damage() -> None:
    fields = json.loads(encode(line_of(b"a", "Shirt"))) | {"frames": [1, 2]}
    with pytest.raises(NewerLine, match="'frames' is unknown to this version"):
        decode(json.dumps(fields).encode())


def test_what_is_taken_back_needs_no_label() -> None:
    line = line_of(b"a", undo=True)
    assert decode(encode(line)) == line

"""The recorded session: its three files belong together, and it fits its terminal."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.terminal import svg
from tests.support.terminal.cast import Cast, decode, encode, hastened, played
from tests.support.terminal.record import COLUMNS, COMMANDS, PROMPT
from tests.support.terminal.screen import Screen

DOCS = Path(__file__).parents[3] / "docs"
SESSION = decode((DOCS / "session.cast").read_text(encoding="utf-8"))


def test_the_session_plays_back_to_the_text_and_to_the_picture() -> None:
    assert played(SESSION).text() == (DOCS / "session.txt").read_text(encoding="utf-8")
    assert svg.render(SESSION) == (DOCS / "session.svg").read_text(encoding="utf-8")


def test_every_command_is_typed_and_each_line_fits() -> None:
    lines = played(SESSION).text().splitlines()
    typed = [line.removeprefix(PROMPT) for line in lines if line.startswith(PROMPT)]
    assert [line for line in typed if line in COMMANDS] == list(COMMANDS)
    assert max(map(len, lines)) <= SESSION.columns == COLUMNS
    assert not any("Traceback" in line or "Warning" in line for line in lines)


def test_the_picture_is_one_file_without_a_script() -> None:
    root = ElementTree.parse(DOCS / "session.svg").getroot()
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "style", "rect", "defs", "g", "text", "use"}
    links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
    assert links
    assert all(link.startswith("#") for link in links)


@given(st.lists(st.tuples(st.floats(0, 100), st.text("ab\n\r", max_size=9)), min_size=1))
def test_a_session_survives_its_file(output: list[tuple[float, str]]) -> None:
    events = [(round(at_s, 3), text) for at_s, text in sorted(output)]
    cast = Cast(80, 24, "a session", events)
    assert decode(encode(cast)) == cast
    shorter = list(hastened(events))
    assert [text for _, text in shorter] == [text for _, text in events]
    assert all(0 <= b[0] - a[0] <= 1.5 + 1e-9 for a, b in pairwise(shorter))


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("one\r\ntwo", "one\ntwo\n"),
        ("old\rnew", "new\n"),
        ("a\r\nb\r\x1b[A\x1b[Jc", "c\n"),
        ("\x1b[1mbold\x1b[0m \x1b[31mred\x1b[0m", "bold red\n"),
        ("x" * 12, "xxxxxxxxxx\nxx\n"),
        ("写" * 6, "写写写写写\n写\n"),
        ("\x1b[?25lhidden\x1b[K", "hidden\n"),
    ],
)
def test_a_screen_shows_what_a_terminal_of_ten_columns_shows(written: str, seen: str) -> None:
    screen = Screen(10)
    for character in written:  # codes arrive in pieces
        screen.write(character)
    assert screen.text() == seen


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown"):
        Screen(80).write("\x1b[5;5r no such code")

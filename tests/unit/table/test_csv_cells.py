"""Any file name becomes text that a spreadsheet does not run, and is restored byte by byte."""

from __future__ import annotations

import csv
import io
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from producer.table.csv_cells import escape, plain_names, unescape
from producer.table.text_format import quote

FORMULA_STARTS = tuple("=+-@\t\r")
#: Any bytes, and names that are likely to be misread.
names = st.one_of(
    st.binary(),
    st.text().map(str.encode),
    st.lists(
        st.sampled_from(
            [
                b"\\",
                b"x",
                b"\\x41",
                b"4",
                b"f",
                b"'",
                b'"',
                b",",
                b"\n",
                b"\r",
                b"=",
                b"\xff",
                b"\t",
                b"\x1b[",
                b"\0",
                b"\x7f",
                b"\xc2",
                b"\x85",
                b"\x9b",
                "\x9b".encode(),
            ]
        )
    ).map(b"".join),
)


@given(names)
@example(b"")
@example(b"'")
@example(b"''=1")
@example(b"\\x41")
@example(b"\xff\\x41")
@example("\N{BYTE ORDER MARK}=1".encode())
def test_unescape_reverses_escape(name: bytes) -> None:
    assert unescape(escape(name)) == name


@given(names, names)
def test_two_names_never_share_a_cell(one: bytes, other: bytes) -> None:
    assert (escape(one) == escape(other)) == (one == other)


@given(names)
@example(b"=cmd|' /C calc'!A0")
@example(b"\t=1")
def test_no_cell_starts_like_a_formula(name: bytes) -> None:
    assert not escape(name).startswith(FORMULA_STARTS)


@given(names)
@example(b"\x1b[31m\r\n\t\x7f")
@example("\x85\x9b".encode() + b"\xff")
def test_every_cell_is_one_line_without_control_characters(name: bytes) -> None:
    cell = quote(escape(name))
    assert not [c for c in cell if unicodedata.category(c) == "Cc"]
    assert "\n" not in cell


@given(names)
def test_a_csv_reader_reads_the_cell_back(name: bytes) -> None:
    cell = escape(name)
    line = quote(cell) + "," + quote("next") + "\n"
    assert list(csv.reader(io.StringIO(line, newline=""))) == [[cell, "next"]]


@given(st.lists(names.filter(lambda name: b"\0" not in name), min_size=1))
@example([b"a", b"=b"])
@example(["\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), b"@b"])
@example([b"\xc2\x9b"])
def test_names_are_cells_as_they_are_only_if_none_needs_escape_or_quotes(some: list[bytes]) -> None:
    plain = plain_names(b"\0".join(some))
    assert plain is None or plain == [quote(escape(name)) for name in some]
    assert plain is not None or any(quote(escape(name)).encode() != name for name in some)

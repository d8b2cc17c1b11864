"""Cells of the table: any file name as UTF-8 text, reversibly, and never as a formula.

docs/table.md states the rules; `unescape` reverses them.
"""

from __future__ import annotations

import re

#: A spreadsheet runs a cell that starts with one of these (OWASP ASVS 1.2.10). `'` is escaped, too,
#: so that removing one `'` always restores the name. Tabs and carriage returns are escaped anyway.
_FORMULA_STARTS = ("=", "+", "-", "@", "'")
#: C0, DEL and C1: terminals interpret them, and a line feed would split a row.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_ESCAPE = re.compile(r"\\(\\|x[0-9a-f]{2})")
#: Usually no name of a batch needs escaping or quoting, which few searches find out.
_ORDINARY = bytes(set(range(0x20, 0x100)) - set(b'",\\\x7f')) + b"\0"
_FORMULA = re.compile(rb"\0[=+\-@']")
_C1 = re.compile(rb"\xc2[\x80-\x9f]")


def escape(name: bytes) -> str:
    """A file name as the text of a cell (before CSV quoting)."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = name.replace(b"\\", b"\\\\").decode(errors="backslashreplace")
    else:
        if "\\" in text:
            text = text.replace("\\", "\\\\")
    text = _CONTROLS.sub(_hexadecimal, text)
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def _hexadecimal(control: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in control[0].encode())


def plain_names(joined: bytes) -> list[str] | None:
    """File names, with a NUL between two, as text; None if one needs escaping or quoting."""
    if joined.translate(None, _ORDINARY) or _FORMULA.search(b"\0" + joined) or _C1.search(joined):
        return None
    try:
        return joined.decode().split("\0")
    except UnicodeDecodeError:
        return None


def unescape(cell: str) -> bytes:
    """The file name of a cell; the inverse of `escape`."""
    text = cell.removeprefix("'")
    parts: list[bytes] = []
    end = 0
    for match in _ESCAPE.finditer(text):
        parts.append(text[end : match.start()].encode())
        code = match[1]
        parts.append(b"\\" if code == "\\" else bytes([int(code[1:], 16)]))
        end = match.end()
    parts.append(text[end:].encode())
    return b"".join(parts)

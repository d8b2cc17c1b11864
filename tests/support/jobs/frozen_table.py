"""The rows of a table as commit 69e60f4f rendered them: a copy that no change of the product moves.

The oracle of the fault tests renders with it, so that a changed byte of the product is seen, and so
does the bare loop of the benchmarks, so that a slower row is. It has neither thresholds nor
corrections, imports nothing that renders, and is not to be made faster.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Sequence
from typing import Any

from shared.messages.batch import BatchResult
from shared.messages.model_card import Card

_COLUMNS = "path,label,confidence,status,error,flag,model"
#: By wire code.
_FLAGS = ("", "unlike_training", "busy_background")
_FAILURES = (
    ("ok", ""),
    ("unreadable", "The file is empty, damaged or not readable."),
    ("unsupported", "The file is not a JPEG, PNG, WebP, AVIF, BMP, GIF or TIFF image."),
    ("too_large", "The file has more bytes or pixels than Hangtag accepts."),
    ("missing", "The file no longer existed when it was read."),
    ("changed", "The file changed while the job ran."),
    ("crashed", "Decoding the image crashed the worker process twice."),
    ("no_answer", "The network failed on the image, or its outputs are no finite numbers."),
)
_FORMULA_STARTS = ("=", "+", "-", "@", "'")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_QUOTED = re.compile(r'[",\r\n]')
#: Usually no name of a batch needs escaping or quoting, which one search finds out.
_SPECIAL = re.compile(r"""[",\\\x01-\x1f\x7f-\x9f]|(?:^|\0)[=+\-@']""")


class FrozenTable:
    """Formats the rows of one job."""

    def __init__(self, card: Card, top_k: int = 1, probabilities: bool = False) -> None:
        self._names = card.labels
        self._labels = [_cell(label) for label in card.labels]
        self._k = min(top_k, len(card.labels))
        self._probabilities = probabilities
        self._wide = self._k > 1 or probabilities
        self._end = "" if self._wide else "\n"
        self._model = _cell(card.ref)
        self._failures = [self._failure(*failure) for failure in _FAILURES]
        #: By flag and label: the text before and after the confidence.
        self._parts = [
            [(f",{label},", f",ok,,{flag},{self._model}{self._end}") for label in self._labels]
            for flag in _FLAGS
        ]

    @property
    def header(self) -> str:
        more = [f"{c}_{k}" for k in range(2, self._k + 1) for c in ("label", "confidence")]
        every = [_cell(f"p_{label}") for label in self._names] if self._probabilities else []
        return ",".join([_COLUMNS, *more, *every]) + "\n"

    def rows(self, names: Sequence[bytes], result: BatchResult) -> list[str]:
        """The rows of one batch."""
        paths = _cells(names)
        indices: Sequence[int] = _numbers("H", result.indices)
        values: Sequence[float] = _numbers("f", result.probabilities)
        lines = self._lines(paths, indices[:: result.k], values[:: result.k], result)
        if self._wide:
            starts = range(0, len(indices), result.k)
            lines = [
                line + self._more(indices[at : at + result.k], values[at : at + result.k])
                for line, at in zip(lines, starts, strict=True)
            ]
        if any(result.statuses):
            for i, code in enumerate(result.statuses):
                if code:
                    lines[i] = paths[i] + self._failures[code]
        return lines

    def _lines(
        self,
        paths: list[str],
        labels: Sequence[int],
        confidences: Sequence[float],
        result: BatchResult,
    ) -> list[str]:
        """The rows without the columns of --top-k and --probabilities, as if none had failed."""
        known = self._parts[0]
        parts = [known[label] for label in labels]
        for i, flag in enumerate(result.flags):  # usually empty
            if flag:
                parts[i] = self._parts[flag][labels[i]]
        return [
            f"{path}{before}{confidence:.4f}{after}"
            for path, confidence, (before, after) in zip(paths, confidences, parts, strict=True)
        ]

    def _more(self, indices: Sequence[int], values: Sequence[float]) -> str:
        cells = [f",{self._labels[indices[k]]},{values[k]:.4f}" for k in range(1, self._k)]
        if self._probabilities:
            cells += [f",{p:.4f}" for _, p in sorted(zip(indices, values, strict=True))]
        return "".join(cells) + "\n"

    def _failure(self, status: str, sentence: str) -> str:
        more = 2 * (self._k - 1) + (len(self._names) if self._probabilities else 0)
        row = f",,,{status},{_cell(sentence)},,{self._model}{self._end}"
        return row + ("," * more + "\n" if self._wide else "")


def _cells(names: Sequence[bytes]) -> list[str]:
    joined = b"\0".join(names)
    try:
        text = joined.decode()
    except UnicodeDecodeError:
        text = '"'
    if _SPECIAL.search(text) is None:
        return text.split("\0")
    return [_quoted(_escaped(name)) for name in names]


def _cell(text: str) -> str:
    return _quoted(_escaped(text.encode()))


def _escaped(name: bytes) -> str:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = name.replace(b"\\", b"\\\\").decode(errors="backslashreplace")
    else:
        text = text.replace("\\", "\\\\")
    text = _CONTROLS.sub(_hexadecimal, text)
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def _hexadecimal(control: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in control[0].encode())


def _quoted(cell: str) -> str:
    return cell if _QUOTED.search(cell) is None else '"' + cell.replace('"', '""') + '"'


def _numbers(kind: str, data: bytes) -> Any:
    found = array(kind, data)
    if sys.byteorder == "big":
        found.byteswap()
    return found

"""The forms of a table, by name. Each has the same cells."""

from __future__ import annotations

import os

from producer.rendering.text_rows import Csv, JsonLines, TextRows, Tsv

CSV, TSV, JSONL = "csv", "tsv", "jsonl"
_ROWS: dict[str, type[TextRows]] = {CSV: Csv, TSV: Tsv, JSONL: JsonLines}
FORMS = tuple(_ROWS)


def form_of(path: str) -> str:
    """The form that a file's name ends in; CSV for any other name."""
    suffix = os.path.splitext(path)[1].lower().removeprefix(".")
    return suffix if suffix in FORMS else CSV


def text_rows(form: str) -> type[TextRows]:
    """What writes rows in a form."""
    return _ROWS[form]

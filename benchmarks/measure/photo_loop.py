"""The product as a person uses it: commands typed in a folder, and decisions on the review page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure.command import LIMIT_S, Failed
from shared.labels import labels_file
from tests.support.processes.review_server import Review

#: Of one request to the page.
_ROWS = 500
Truth = Callable[[str], str]  #: the class of a row by its path in the table
Choose = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


class Corrected(NamedTuple):
    """What a person did on the page."""

    rows: int
    wrong: int  #: of those, rows whose guess was not the truth


class Prompt:
    """A prompt in a folder."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = self._root = folder
        self._environment = environment

    def enter(self, name: str) -> None:
        """Go to a new folder beside the present ones."""
        self.folder = self._root / name
        self.folder.mkdir()

    def run(self, *arguments: str) -> str:
        """Run a command of hangtag; what it prints on standard output.

        Raises:
            Failed: it ended with an error.
        """
        done = subprocess.run(
            [sys.executable, "-m", "producer.cli", *arguments],
            cwd=self.folder, env=self._environment, capture_output=True, text=True,
            timeout=LIMIT_S, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Failed(f"hangtag {' '.join(arguments)}: {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """The same for a command that prints JSON."""
        return json.loads(self.run(*arguments, "--json").splitlines()[-1])

    def train(self, *arguments: str) -> None:
        """Train a version of `photos`."""
        self.run("train", "photos/", "--promote", "never", *arguments)

    def accuracy(self, model: str, test: Path) -> float:
        """Of a version on class folders."""
        data = f"{os.path.relpath(test, self.folder)}/"
        found = self.json("models", "evaluate", model, "--data", data)["evaluation"]
        return float(found["accuracy"])

    def correct(self, table: str, kind: str, choose: Choose, truth: Truth) -> Corrected:
        """Give the rows that `choose` takes from a view of the page their true labels."""
        review = Review(self.folder / table, **self._environment)
        try:
            rows = choose(_view(review, kind))
            for start in range(0, len(rows), _ROWS):
                some = rows[start : start + _ROWS]
                each = [(row["item"], truth(row["path"])) for row in some]
                if refused := review.decide(*each)["refused"]:
                    raise Failed(f"not saved: {refused}")
        finally:
            review.end()
        wrong = sum(row["guess"] != truth(row["path"]) for row in rows)
        return Corrected(len(rows), wrong)

    def forget_corrections(self, table: str) -> None:
        """Start again without decisions."""
        labels_file.of_table(self.folder / table).unlink()


def _view(review: Review, kind: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        part: Sequence[dict[str, Any]]
        part = review.json("GET", f"/items?kind={kind}&start={len(rows)}&count={_ROWS}")["items"]
        rows += part
        if len(part) < _ROWS:
            return rows

"""A finished job whose images can be sorted, and what its files are before and after."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path

from producer.sort_log.log import Way
from producer.sorting import sort
from producer.table.csv_cells import unescape
from shared.labels.class_folders import FAILED, FLAGGED, SORT_LOG, folder_of
from tests.support.jobs.finished_job import ID, ODD, RUBBISH, finish, options_of

FOLDER = "in"


def some_files() -> dict[str, bytes]:
    """Names that collide, also but for case, content that fails and content that is flagged."""
    files = {f"{folder}/{i}.png": f"image {i % 7}".encode() for folder in "abc" for i in range(9)}
    files |= {"c/IMAGE.PNG": b"same", "b/image.png": b"same", "a/image.png": b"same"}
    return files | {"a/bad.png": RUBBISH, "b/bad.png": RUBBISH, "a/odd.png": ODD}


def make(
    folder: Path, files: dict[str, bytes], pictures: Path | None = None, job_id: str = ID
) -> Path:
    """A finished job of these files in `folder`/in, or in `pictures`; returns its table."""
    root = pictures or folder / FOLDER
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    typed = os.fsencode(pictures) if pictures else FOLDER.encode()
    finish(options_of(folder, typed), job_id=job_id)
    return folder / "out.csv"


def sort_before(out: Path) -> None:
    """Sort another table into a folder, which has a log then; its only image is gone."""
    other = out.parent / "other"
    other.mkdir()
    table = make(other, {"gone.png": b"gone"}, job_id="testjb09")
    (other / FOLDER / "gone.png").unlink()
    sort.sort(table, out, Way.COPY)


def folders_of(table: Path) -> Counter[tuple[str, bytes]]:
    """The folder and the content of each row that can be sorted, from the table itself."""
    found: Counter[tuple[str, bytes]] = Counter()
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            content = Path(table.parent, os.fsdecode(unescape(row["path"]))).read_bytes()
            folder = folder_of(row["label"])
            if row["status"] != "ok":
                folder = FAILED
            elif row["flag"]:
                folder = FLAGGED
            found[folder, content] += 1
    return found


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content; the log and its journal left out."""
    return {
        os.path.relpath(path, folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and not path.name.startswith(SORT_LOG)
    }


def sorted_tree(out: Path) -> Counter[tuple[str, bytes]]:
    """The folder and the content of each file below OUT."""
    return Counter((name.split("/")[0], content) for name, content in tree(out).items())

"""`hangtag models compare` classifies what is missing; its figures are those of both tables."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from producer.pages.comparison import p_value
from producer.table.verify import verify
from shared.labels.class_folders import folder_of
from shared.registry import mirror_writer, packaged
from shared.registry.registry import Registry
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER
from tests.support.jobs import expected_table, model_versions
from tests.support.processes import in_process
from tests.support.processes.fleet import Fleet

IMAGES = 200
FOLDERS = {folder_of(label): label for label in packaged.card().labels}


def rows(table: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.decode(), newline="")))


def test_versions_are_compared_on_a_folder_and_their_tables_used_again(
    fleet: Fleet, tmp_path: Path
) -> None:
    images = gallery.make(tmp_path / "gallery", IMAGES)
    registry = Registry(tmp_path / "store")
    untrained = model_versions.publish(registry, "tutorial", 0)
    mirror_writer.publish(fleet.client, registry)
    folder = images.cwd / FOLDER

    def compare(on: str) -> dict[str, object]:
        command = in_process.run(
            fleet, "models", "compare", "fashion-mnist@0", untrained.card.ref, "--on", on,
            "--json", cwd=tmp_path,
        )  # fmt: skip
        assert command.code == 0, command.story
        found: dict[str, object] = json.loads(command.out)["comparison"]
        return found

    found = compare(str(folder))
    tables = [tmp_path / f"{FOLDER}.{ref}.csv" for ref in ("fashion-mnist@0", untrained.card.ref)]
    written = [table.stat().st_mtime_ns for table in tables]
    assert all(verify(table).proven for table in tables)
    a = rows(expected_table.table(images.cwd, images.paths))
    b = rows(expected_table.table(images.cwd, images.paths, version=untrained))
    truths = [FOLDERS[Path(path).parent.name] for path in images.paths]
    rights = [
        (one["label"] == truth, other["label"] == truth)
        for one, other, truth in zip(a, b, truths, strict=True)
    ]
    only_a, only_b = rights.count((True, False)), rights.count((False, True))
    assert found["images"] == found["judged"] == len(images.paths)
    assert found["agreed"] == sum(x["label"] == y["label"] for x, y in zip(a, b, strict=True))
    assert (found["only_a_right"], found["only_b_right"]) == (only_a, only_b)
    assert found["p_value"] == p_value(only_a, only_b)
    assert only_a > only_b
    assert compare(f"{folder}/") == found
    assert [table.stat().st_mtime_ns for table in tables] == written

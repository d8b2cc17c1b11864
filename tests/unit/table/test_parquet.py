"""Parquet: its types, its metadata, and what it needs of this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from producer.job.columns import Table, table_columns
from producer.job.row_batch import AS_CLASSIFIED, RowBatch
from producer.table import parquet
from producer.table.table_formats import Unreadable
from shared.image_status import Status
from tests.unit.table.test_text_format import JOB, card, packed, written_as

ROWS = 5
TABLE = Table(table_columns(card(), AS_CLASSIFIED, 2), AS_CLASSIFIED, JOB, card())
#: Of a process that renders 10,000,000 rows with names of 100 bytes.
MEMORY_MAX = 256_000_000
LONG, LONG_BATCHES = 100, 9_766
#: Renders them in batches of 1,024; prints its greatest memory in bytes.
RENDER = """
import pathlib, sys
sys.modules["numpy"] = None
from producer.table.parquet import Parquet
from producer.job.row_batch import RowBatch
from producer.table.table_formats import Sink
from tests.unit.table.test_parquet import LONG, TABLE, packed, Status
result = packed(2, [Status.OK] * 1024, [[(0, 0.5), (1, 0.25)]] * 1024)
with open(sys.argv[1], "wb") as file:
    writer = Parquet(Sink(file.write))
    writer.begin(TABLE)
    for n in range(int(sys.argv[2])):
        names = [b"%d/%d" % (n, i) for i in range(1024)]
        writer.write(RowBatch(b"\\0".join(name.ljust(LONG, b"x") for name in names), result))
    writer.end()
# Not `ru_maxrss`: a process starts with that of the one which has started it.
status = pathlib.Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
"""


def batches(count: int) -> list[RowBatch]:
    statuses = [Status.OK, Status.MISSING, Status.OK, Status.OK, Status.OK]
    result = packed(2, statuses, [[(1, 0.75), (0, 0.25)]] * ROWS)
    names = [[b"%d/%d" % (n, i) for i in range(ROWS)] for n in range(count)]
    return [RowBatch(b"\0".join(some), result) for some in names]


def test_columns_have_types_and_the_file_names_its_job_and_model(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(written_as("parquet", TABLE, batches(1)))
    found = pq.read_schema(path)
    words, number = pa.dictionary(pa.int32(), pa.string()), pa.float32()
    assert {field.name: field.type for field in found} == {
        "path": pa.string(),
        "label": words,
        "confidence": number,
        **dict.fromkeys(("status", "error", "flag", "model", "label_2"), words),
        "confidence_2": number,
    }
    assert found.metadata[b"hangtag.job"] == JOB.id.encode()
    assert found.metadata[b"hangtag.model"] == card().ref.encode()
    table = pq.read_table(path).to_pydict()
    assert table["label"] == ["b,c", None, "b,c", "b,c", "b,c"]
    assert table["confidence_2"] == [0.25, None, 0.25, 0.25, 0.25]
    assert table["flag"] == [None] * ROWS


def test_rows_of_many_batches_are_grouped_into_as_many_as_memory_should_hold(
    tmp_path: Path,
) -> None:
    path, size, count = tmp_path / "table.parquet", 1 << 10, (1 << 7) + 2
    result = packed(2, [Status.OK] * size, [[(0, 0.5), (1, 0.25)]] * size)
    batch = RowBatch(b"\0".join(b"%d" % i for i in range(size)), result)
    path.write_bytes(written_as("parquet", TABLE, [batch] * count))
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert groups == [1 << 17, 2 << 10]


def test_names_with_a_changed_byte_are_refused(tmp_path: Path) -> None:
    """Without their checksums some of them would be read as other names."""
    path = tmp_path / "table.parquet"
    data = written_as("parquet", TABLE, batches(40))
    path.write_bytes(data)
    names = pq.read_metadata(path).row_group(0).column(0)
    end = names.data_page_offset + names.total_compressed_size
    for at in range(end - 150, end):  # after the header of the page
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(Unreadable):
            list(parquet.Parquet.read(path))


def rendered(path: Path, count: int) -> int:
    """The memory of a process without NumPy that renders this many batches."""
    command = [sys.executable, "-c", RENDER, str(path), str(count)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_no_numpy_is_needed(tmp_path: Path) -> None:
    rendered(tmp_path / "table.parquet", 2)
    assert pq.read_table(tmp_path / "table.parquet").num_rows == 2 * 1024


@pytest.mark.nightly
def test_ten_million_rows_fit_into_bounded_memory(tmp_path: Path) -> None:
    assert rendered(tmp_path / "table.parquet", LONG_BATCHES) < MEMORY_MAX
    assert pq.read_metadata(tmp_path / "table.parquet").num_rows >= 10_000_000

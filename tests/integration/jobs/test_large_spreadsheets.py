"""A job with more images than a spreadsheet has rows ends, and says where its rows can go."""

from __future__ import annotations

from pathlib import Path

from producer.journal.snapshot import JobState, read_snapshot
from producer.verify.verify import verify
from shared.errors import Exit
from tests.support.images import gallery
from tests.support.processes.fleet import Fleet, Producer
from tests.support.servers.redis_server import RedisServer

IMAGES = 6
PROGRAM = ("tests.support.jobs.small_spreadsheets", str(IMAGES - 1))
LINE = (
    "out.xlsx is not written: 6 rows are more than the 5 of xlsx; write them to another form with: "
    "hangtag table out.xlsx -o out.parquet"
)


def test_a_job_that_does_not_fit_into_a_spreadsheet_ends_and_its_rows_fit_elsewhere(
    server: RedisServer, tmp_path: Path
) -> None:
    gallery.make(tmp_path, IMAGES)
    classify = ("classify", gallery.FOLDER, "-o", "out.xlsx")
    with Fleet(server) as fleet:
        fleet.worker(concurrency=1)

        def ended(*arguments: str, code: Exit) -> Producer:
            command = fleet.producer(*arguments, cwd=tmp_path, program=PROGRAM)
            assert command.wait() == code, command.story
            return command

        first = ended(*classify, code=Exit.SETUP)
        assert first.log.count(LINE) == 1
        table = tmp_path / "out.xlsx"
        view = read_snapshot(table)
        assert view is not None
        assert (view.state, view.done, view.exit_code) == (JobState.FINISHED, IMAGES, Exit.SETUP)
        assert not list(fleet.client.scan_iter(f"*{view.job}*"))
        for again in (classify, ("collect", "out.xlsx"), ("table", "out.xlsx", "--accept", "all")):
            assert ended(*again, code=Exit.SETUP).log.count(LINE) == 1
        assert LINE in ended("verify", "out.xlsx", code=Exit.NOT_PROVEN).story
        assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.xlsx.hangtag"]
        ended("table", "out.xlsx", "-o", "out.parquet", code=Exit.OK)
        assert verify(tmp_path / "out.parquet").problems == []
        ended(*classify, "--restart", code=Exit.SETUP)

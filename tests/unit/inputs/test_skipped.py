"""Files that a walk skips are counted once, however often its job is interrupted."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from producer.dispatch.batcher import BatchLimits, resumed
from producer.inputs.skipped import passed_over
from producer.journal.journal import Journal
from producer.verify.verify import verify
from shared.settings import Settings
from tests.support.jobs import finished_job
from tests.unit.sources.test_walk import Tree, image_paths, options, planted, trees
from tests.unit.sources.test_walk import skipped_files as oracle


@given(trees, st.lists(st.integers(0, 3), max_size=5), st.integers(1, 3),
       st.integers(1, 4))  # fmt: skip
def test_an_interrupted_job_counts_each_skipped_file_once(
    tree: Tree, batches_each: list[int], batch_images: int, pieces: int
) -> None:
    with planted(tree) as cwd:
        given_, settings = options(cwd, b"top"), Settings(batch_images=batch_images)
        path = Path(cwd.decode()) / "out.csv.hangtag"
        for most in (*batches_each, 1000):
            with closing(Journal(path)) as journal:
                batches = resumed(given_, settings, journal)
                for _ in range(most):
                    if (batch := batches.next(BatchLimits(pieces=pieces))) is None:
                        break
                    journal.commit([batch.frozen], (), **passed_over(batch.skipped, batch.unlisted))
                skipped = batches.skipped
        assert skipped == dict(oracle(tree))
        with closing(Journal(path)) as journal:
            names = [name for names in journal.names() for name in names]
        assert names == sorted(image_paths(tree, b"top"))


def test_verify_counts_files_without_a_row_by_their_ending(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name in ("a.png", "b.png", "c.mov", "d.txt", "e.txt", "f"):
        (tmp_path / "p" / name).write_bytes(name.encode())
    finished_job.finish(finished_job.options_of(tmp_path, b"p"))
    proof = verify(tmp_path / "out.csv")
    assert proof.proven
    assert proof.skipped == {".mov": 1, ".txt": 2, "without an ending": 1}

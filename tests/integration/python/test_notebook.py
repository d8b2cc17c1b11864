"""docs/hangtag.ipynb in a real kernel, and the button that interrupts it."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from producer.job.job_index import entries
from producer.table.verify import verify
from tests.support.processes.fleet import Fleet, Worker

NOTEBOOK = Path(__file__).parents[3] / "docs/hangtag.ipynb"
#: As after `pip install '.[all]'`; figures are displayed at once.
SETTING = """
import sys

class Missing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name=name)

sys.meta_path.insert(0, Missing)

from hangtag import reporter
from producer.present import progress

progress.DISPLAY_AFTER_S = reporter.EVERY_S = 0.0
"""
pytestmark = [
    pytest.mark.usefixtures("working"),
    # Libraries of Jupyter, at their import.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def outputs(cell: Any, kind: str) -> str:
    """What a cell displays in one MIME type, or prints."""
    texts = [out.get("text", "") for out in cell.outputs]
    texts += [out.get("data", {}).get(kind, "") for out in cell.outputs]
    return "\n".join(filter(None, texts))


@pytest.fixture
def notebook(here: Path) -> Any:
    (here / "clothes").symlink_to((here / "pictures").resolve())
    read = nbformat.read(NOTEBOOK, as_version=4)
    read.cells.insert(0, nbformat.v4.new_code_cell(SETTING))
    return read


def test_the_notebook_runs_and_an_interrupted_cell_continues(
    notebook: Any, here: Path, running: Fleet
) -> None:
    (worker,) = running.processes
    assert isinstance(worker, Worker)
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": here}})
    with ThreadPoolExecutor(1) as pool:  # the browser of other tests has this thread's loop
        interrupted, jobs = pool.submit(asyncio.run, _executed(client, worker)).result()
    cells = {cell.id: cell for cell in notebook.cells}
    assert interrupted.ename == "KeyboardInterrupt"
    assert len(set(jobs)) == 1, "the interrupted job was not resumed"
    assert "200 of 200 done" in outputs(cells["classify"], "text/plain")
    shown = outputs(cells["result"], "text/html")
    assert "<b>200 images</b>" in shown
    assert len(re.findall(r"<img src=.data:image/webp", shown)) == 12
    assert len(outputs(cells["doubtful"], "").splitlines()) == 3
    assert "confidence_mean" in outputs(cells["arrow"], "text/plain")
    assert (here / "clothes.html").exists()
    assert len((here / "clothes.labels.jsonl").read_text().splitlines()) == 3
    assert verify(here / "clothes.csv").proven
    left = [Path(entry.output).name for entry in entries()]
    assert left == ["clothes.csv"], "a temporary job did not go with the kernel"


async def _executed(client: NotebookClient, worker: Worker) -> tuple[CellExecutionError, list[str]]:
    """Interrupt the cell that classifies while no worker runs, then execute all cells. Returns the
    error, and the jobs after the interrupt and after that cell."""
    first = next(i for i, cell in enumerate(client.nb.cells) if cell.id == "classify")
    async with client.async_setup_kernel():
        worker.sleep()
        classifying = asyncio.ensure_future(
            client.async_execute_cell(client.nb.cells[first], first)
        )
        while not entries():
            await asyncio.sleep(0.05)
        assert client.km is not None
        await client.km.interrupt_kernel()
        with pytest.raises(CellExecutionError) as caught:
            await classifying
        jobs = [entry.id for entry in entries()]
        worker.wake()
        for index, cell in enumerate(client.nb.cells):
            await client.async_execute_cell(cell, index)
            if index == first:
                jobs += [entry.id for entry in entries()]
    return caught.value, jobs


def test_the_notebook_has_no_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None

"""Real trainers for tests, a data set that is learned in a second, and points to stop them at."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from PIL import Image

from shared import keys
from shared.broker.celery_app import make_app
from shared.broker.message_filter import TRAIN_TASK
from shared.ledger.request_inbox import RequestInbox
from shared.ledger.request_store import RequestState, RequestView
from shared.messages.model_card import Card
from shared.messages.model_name import PRODUCTION
from shared.messages.replies import Trained
from shared.messages.requests import Outcome, Request, Work
from shared.messages.training import Train
from shared.registry.registry import Registry
from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet, Worker, wait_for
from worker.datasets.demo import silhouette
from worker.requests.workspace import Workspace

APP = "tests.faults.apps.waiting_trainer"
MOMENTS_VARIABLE = "HANGTAG_TEST_MOMENTS"
LABELS = ("bag", "dress", "sandal", "trouser")
_SILHOUETTES = (8, 3, 5, 1)
IMAGES_PER_CLASS = 40
EPOCHS = 4
TIMES = {
    "HANGTAG_HEARTBEAT_S": "0.5",
    "HANGTAG_HEARTBEAT_TTL_S": "4",
    "HANGTAG_ROUND_S": "0.5",
}
_POLL_S = 0.01
#: The errors that `Moments.fail` can raise.
ERRORS: dict[str, type[Exception]] = {"bug": ZeroDivisionError, "memory": MemoryError}


def draw_classes(root: Path) -> Path:
    """A folder with one subfolder per class, of different grey images of 28x28 pixels."""
    for label, number in zip(LABELS, _SILHOUETTES, strict=True):
        (root / label).mkdir(parents=True)
        for seed in range(IMAGES_PER_CLASS):
            Image.fromarray(silhouette(number, seed)).save(root / label / f"{seed:03}.png")
    return root


def reach(folder: Path, moment: str) -> None:
    """Called by the trainer at a moment: record it, then wait or fail as the test requests."""
    with (folder / "reached").open("a") as file:
        file.write(f"{os.getpid()} {moment}\n")
    while (folder / f"hold-{moment}").exists():
        time.sleep(_POLL_S)
    if (folder / f"fail-{moment}").exists():
        raise ERRORS[(folder / f"fail-{moment}").read_text()]("as the test wants")


class Moments:
    """Controls the trainers' moments from the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self.reset()

    def reset(self) -> None:
        """Let all trainers continue, and forget the reached moments."""
        for path in self._folder.iterdir():
            path.unlink()
        (self._folder / "reached").touch()

    @property
    def reached(self) -> list[tuple[int, str]]:
        """Processes and their moments, in order."""
        lines = (self._folder / "reached").read_text().splitlines()
        return [(int(line.split()[0]), line.split()[1]) for line in lines]

    def epochs(self) -> list[int]:
        """The epochs that processes have finished."""
        found = [moment for _, moment in self.reached]
        return [int(one.partition("-")[2]) for one in found if one.startswith("epoch-")]

    def hold(self, moment: str) -> None:
        """Let trainers wait at a moment."""
        (self._folder / f"hold-{moment}").touch()

    def let_go(self, moment: str) -> None:
        """Let the waiting trainers continue."""
        (self._folder / f"hold-{moment}").unlink()

    def fail(self, moment: str, how: str) -> None:
        """Let trainers fail at a moment: `bug` or `memory`."""
        (self._folder / f"fail-{moment}").write_text(how)

    def wait_for(self, moment: str, not_by: Sequence[int] = ()) -> int:
        """Wait until a process other than `not_by` has reached a moment; return its pid."""
        found = wait_for(
            f"moment {moment!r}",
            lambda: [p for p, m in self.reached if m == moment and p not in not_by],
        )
        return found[-1]


def parent(pid: int, trainers: Sequence[Worker]) -> Worker:
    """The trainer whose child this process is."""
    return next(trainer for trainer in trainers if pid in trainer.children)


class School:
    """Trainers of one store on one server, and the requests of a test."""

    def __init__(self, fleet: Fleet, tmp_path: Path, data: Path) -> None:
        self.fleet, self.data = fleet, data
        self.moments = Moments(tmp_path / "moments")
        self.store = tmp_path / "store"
        self.registry = Registry(self.store)
        self._app = make_app(fleet.server.url, "test")
        self._settings = {
            "HANGTAG_STORE": str(self.store),
            MOMENTS_VARIABLE: str(tmp_path / "moments"),
        }

    @property
    def inbox(self) -> RequestInbox:
        """The requests in the current server."""
        return RequestInbox(self.fleet.client)

    def close(self) -> None:
        """Close the connections of the test itself."""
        self._app.close()

    def trainers(self, count: int, app: str = APP, **settings: str) -> list[Worker]:
        """New trainers that are ready."""
        settings = {**self._settings, **settings}
        started = [self.fleet.worker(1, app, ready=False, **settings) for _ in range(count)]
        for one in started:
            self.fleet.wait_ready(one)
        return started

    def ask(self, request_id: str, work: Work | None = None, epochs: int = EPOCHS) -> str:
        """Submit a request: by default, to train a model that is named like the request."""
        work = work or self.training(request_id, epochs)
        self.inbox.submit(Request(request_id, work, "tester@here", time.time()))
        self.hint(request_id)
        return request_id

    def training(self, name: str, epochs: int = EPOCHS) -> Train:
        """A training that takes a second."""
        return Train(name, "tutorial", str(self.data), epochs, promote="always")

    def hint(self, request_id: str) -> None:
        """Wake a trainer."""
        self._app.send_task(TRAIN_TASK, args=(request_id,), queue=keys.TRAIN_QUEUE)

    def look(self, request_id: str) -> RequestView:
        """What a client of the broker sees of the request."""
        view = self.inbox.get(request_id)
        assert view is not None, f"Redis does not know {request_id}"
        return view

    def cancel(self, request_id: str) -> None:
        """Cancel a request as a client of the broker does."""
        self.inbox.cancel(request_id)
        self.hint(request_id)

    def folder(self, request_id: str) -> Workspace:
        """The request's workspace in the store."""
        return Workspace(self.store, request_id)

    def outcome(self, request_id: str) -> Outcome:
        """Wait for the outcome of a request."""

        def poll() -> Outcome | None:
            view = self.inbox.get(request_id)
            return view.outcome if view else None

        return wait_for(f"the outcome of {request_id}", poll)

    def trained(self, request_id: str) -> Trained:
        """Wait for the reply to a successful training."""
        outcome = self.outcome(request_id)
        assert outcome.ok, outcome.error
        return msgspec.json.decode(outcome.answer, type=Trained)

    def kill(self, pid: int, request_id: str, trainer: Worker | None = None) -> None:
        """Kill the process that works on the request: with `trainer` the whole trainer, else only
        the child."""
        assert self.folder(request_id).state is RequestState.RUNNING
        if trainer is not None:
            trainer.kill()
        procfs.kill(pid)
        procfs.wait_for_end([pid])

    def versions(self, name: str) -> list[Card]:
        """Every version of a model; checks that each file is as its card says."""
        cards = [self.registry.card(name, number) for number in self.registry.versions(name)]
        for card in cards:
            for filename in card.files:
                self.registry.read(card, filename)
        return cards

    def check_one_version(self, request_id: str, model: str) -> None:
        """Check that a training has led to one version and one promotion, and left nothing else."""
        name = model.partition("@")[0]
        (card,) = self.versions(name)
        assert (card.ref, card.request.partition("~")[0]) == (model, request_id)
        (decision,) = self.registry.history(name)
        assert (decision.alias, decision.version) == (PRODUCTION, card.version)
        assert decision.request == card.request
        files = list((self.store / name).glob("*/*"))
        assert len(files) == len(card.files) + 1, "a partial version is left behind"
        work = self.folder(request_id).work  # a round may copy the end before it is removed
        wait_for("the removal of its work", lambda: not work.exists())

    def check_epochs(self, epochs: int = EPOCHS) -> None:
        """Check that no process repeated a finished epoch."""
        assert self.moments.epochs() == list(range(1, epochs + 1))

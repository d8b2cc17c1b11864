"""Real trainers for tests, a data set that is learned in a second, and moments to meet them in."""

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
from shared.ledger.request_states import RequestState, RequestView
from shared.ledger.requests import RequestLedger
from shared.messages.model_card import Card
from shared.messages.model_name import PRODUCTION
from shared.messages.replies import Trained
from shared.messages.requests import Outcome, Request, Train, Work
from shared.registry.registry import Registry
from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet, Worker, wait_for
from worker.demo.drawings import silhouette
from worker.requests.workspace import Workspace

APP = "tests.faults.apps.waiting_trainer"
MOMENTS_VARIABLE = "HANGTAG_TEST_MOMENTS"
LABELS = ("bag", "dress", "sandal", "trouser")
_SILHOUETTES = (8, 3, 5, 1)
IMAGES_PER_CLASS = 40
EPOCHS = 4
#: A lease that a busy machine does not lose. Where a test kills, it ends the lease as well.
LEASE_S = 20.0
TIMES = {
    "HANGTAG_HEARTBEAT_S": "0.5",
    "HANGTAG_HEARTBEAT_TTL_S": "4",
    "HANGTAG_LEASE_S": str(LEASE_S),
    "HANGTAG_ROUND_S": "0.5",
}
_POLL_S = 0.01
#: Set by `Moments.fail`: what is raised there.
ERRORS: dict[str, type[Exception]] = {"bug": ZeroDivisionError, "memory": MemoryError}


def draw_classes(root: Path) -> Path:
    """A folder with one subfolder per class, of grey pictures of 28x28 that differ."""
    for label, number in zip(LABELS, _SILHOUETTES, strict=True):
        (root / label).mkdir(parents=True)
        for seed in range(IMAGES_PER_CLASS):
            Image.fromarray(silhouette(number, seed)).save(root / label / f"{seed:03}.png")
    return root


def reach(folder: Path, moment: str) -> None:
    """Called by the trainer where a moment begins: note it, and do what the test wants."""
    with (folder / "reached").open("a") as file:
        file.write(f"{os.getpid()} {moment}\n")
    while (folder / f"hold-{moment}").exists():
        time.sleep(_POLL_S)
    if (folder / f"fail-{moment}").exists():
        raise ERRORS[(folder / f"fail-{moment}").read_text()]("as the test wants")


class Moments:
    """The same, from the side of the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self.reset()

    def reset(self) -> None:
        """Let everybody go on, and forget what was reached."""
        for path in self._folder.iterdir():
            path.unlink()
        (self._folder / "reached").touch()

    @property
    def reached(self) -> list[tuple[int, str]]:
        """Process and moment, in their order."""
        lines = (self._folder / "reached").read_text().splitlines()
        return [(int(line.split()[0]), line.split()[1]) for line in lines]

    def epochs(self, not_by: int = 0) -> list[int]:
        """The epochs that were finished, by others than that process."""
        found = [moment for pid, moment in self.reached if pid != not_by]
        return [int(one.partition("-")[2]) for one in found if one.startswith("epoch-")]

    def hold(self, moment: str) -> None:
        """Let trainers wait there."""
        (self._folder / f"hold-{moment}").touch()

    def let_go(self, moment: str) -> None:
        """Let them go on."""
        (self._folder / f"hold-{moment}").unlink()

    def fail(self, moment: str, how: str) -> None:
        """Let them fail there: `bug` or `memory`."""
        (self._folder / f"fail-{moment}").write_text(how)

    def wait_for(self, moment: str, not_by: Sequence[int] = ()) -> int:
        """The process that has got there, other than those."""
        found = wait_for(
            f"moment {moment!r}",
            lambda: [p for p, m in self.reached if m == moment and p not in not_by],
        )
        return found[-1]


def parent(pid: int, trainers: Sequence[Worker]) -> Worker:
    """Whose child a process is."""
    return next(one for one in trainers if pid in one.children)


class School:
    """Trainers of one store on one server, and what a test asks of them."""

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
    def requests(self) -> RequestLedger:
        """The ledger, on the server that runs now."""
        return RequestLedger(self.fleet.client, LEASE_S)

    def close(self) -> None:
        """Close the connections of the test itself."""
        self._app.close()

    def trainers(self, count: int, app: str = APP) -> list[Worker]:
        """New trainers that are ready."""
        started = [self.fleet.worker(1, app, ready=False, **self._settings) for _ in range(count)]
        for one in started:
            self.fleet.wait_ready(one)
        return started

    def ask(self, request_id: str, work: Work | None = None, epochs: int = EPOCHS) -> str:
        """Hand a request in: unless there is other work, to train a model with its own name."""
        work = work or self.training(request_id, epochs)
        self.requests.submit(Request(request_id, work, "tester@here", time.time()))
        self.hint(request_id)
        return request_id

    def training(self, name: str, epochs: int = EPOCHS) -> Train:
        """Work that is done in a second."""
        return Train(name, "tutorial", str(self.data), epochs, promote="always")

    def hint(self, request_id: str) -> None:
        """Wake a trainer."""
        self._app.send_task(TRAIN_TASK, args=(request_id,), queue=keys.TRAIN_QUEUE)

    def look(self, request_id: str) -> RequestView:
        """The request as it stands."""
        view = self.requests.get(request_id)
        assert view is not None, f"Redis does not know {request_id}"
        return view

    def folder(self, request_id: str) -> Workspace:
        """What the store has of it."""
        return Workspace(self.store, request_id)

    def outcome(self, request_id: str) -> Outcome:
        """How it ended, once it has."""

        def look() -> Outcome | None:
            view = self.requests.get(request_id)
            return view.outcome if view else None

        return wait_for(f"the outcome of {request_id}", look)

    def trained(self, request_id: str) -> Trained:
        """The answer to a training that went well."""
        outcome = self.outcome(request_id)
        assert outcome.ok, outcome.error
        return msgspec.json.decode(outcome.answer, type=Trained)

    def kill(self, pid: int, request_id: str, trainer: Worker | None = None) -> None:
        """End a process that has the request in hand as a crash would, and then its lease.

        With its `trainer` all of that dies, or else the child alone.
        """
        view = self.look(request_id)
        assert view.state is RequestState.RUNNING
        assert view.owner.split("/")[1].startswith(f"{pid}:"), "it is not the owner"
        if trainer is not None:
            trainer.kill()
        procfs.kill(pid)
        procfs.wait_for_end([pid])
        self.expire(request_id)

    def expire(self, request_id: str) -> None:
        """The time of a lease passes."""
        self.fleet.client.hset(keys.request(request_id, "state"), "until_ms", 0)

    def versions(self, name: str) -> list[Card]:
        """Every version of a model, whole: each file is what its card says."""
        cards = [self.registry.card(name, number) for number in self.registry.versions(name)]
        for card in cards:
            for filename in card.files:
                self.registry.read(card, filename)
        return cards

    def check_one_version(self, request_id: str, model: str) -> None:
        """A training has led to one version and one promotion, and nothing else is left of it."""
        name = model.partition("@")[0]
        (card,) = self.versions(name)
        assert (card.ref, card.request.partition("~")[0]) == (model, request_id)
        (decision,) = self.registry.history(name)
        assert (decision.alias, decision.version) == (PRODUCTION, card.version)
        assert decision.request == card.request
        files = list((self.store / name).glob("*/*"))
        assert len(files) == len(card.files) + 1, "half a version is left behind"
        assert not self.folder(request_id).work.exists()

    def check_epochs(self, epochs: int = EPOCHS) -> None:
        """No epoch that was finished was done again, whoever did it."""
        assert self.moments.epochs() == list(range(1, epochs + 1))

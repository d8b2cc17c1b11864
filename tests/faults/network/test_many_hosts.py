"""Machines that share nothing but Redis: a server, three workers, a producer and a trainer."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared import runtimes
from shared.ledger import heartbeats
from shared.registry.registry import Registry
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs import expected_table
from tests.support.jobs.claims import wait_until_taken_over
from tests.support.jobs.scenario import Scenario
from tests.support.machine import network_namespaces
from tests.support.machine.network_namespaces import FarServer, Network
from tests.support.machine.simulated_hosts import HOME, Host
from tests.support.processes import trainers
from tests.support.processes.fleet import SHORT_TIMES, Fleet, Producer, Worker

#: A light installation would be needed on each machine.
pytestmark = pytest.mark.shipped_model

IMAGES = 2_000
#: Longer than a heartbeat's TTL with these settings.
CUT_S = 3.0
TIMES = SHORT_TIMES | {"HANGTAG_ROUND_S": "0.5"}
NAME = "drawn"
#: Enough for a training that lasts longer than the cut.
EPOCHS = "300"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("photos"), IMAGES)


class Place:
    """The network and its machines: hosts for workers, the producer (desk) and the trainer."""

    def __init__(
        self, network: Network, fleet: Fleet, hosts: ExitStack, images: Gallery, folder: Path
    ) -> None:
        self.fleet, self.images, self._open = fleet, images, hosts
        self.tables, self.school, self.store = (folder / n for n in ("tables", "school", "store"))
        for folder in (self.tables, self.store):
            folder.mkdir()
        trainers.draw_classes(self.school)
        self.rooms = [self._host(network, f"worker{n}") for n in range(3)]
        self.desk = self._host(network, "desk", images.cwd, self.tables)
        self.academy = self._host(network, "academy", self.school, self.store)
        self.stage = Scenario(fleet, images, self.tables, random.Random(5))

    def _host(self, network: Network, name: str, *mounted: Path) -> Host:
        return self._open.enter_context(Host(network, name, mounted))

    @property
    def hosts(self) -> list[Host]:
        return [*self.rooms, self.desk, self.academy]

    def worker(self, room: Host) -> Worker:
        """Start a worker with one child."""
        with self.fleet.at(room.prefix, room.settings):
            return self.fleet.worker(1)

    def trainer(self) -> Worker:
        """Start the trainer, which owns the store."""
        with self.fleet.at(self.academy.prefix, self.academy.settings):
            return self.fleet.worker(1, "worker.trainer", HANGTAG_STORE=str(self.store))

    def hangtag(self, *arguments: str) -> Producer:
        """Run a command on the producer's host."""
        with self.fleet.at(self.desk.prefix, self.desk.settings):
            return self.fleet.producer(*arguments, cwd=self.images.cwd)

    def classify(self, *options: str) -> Producer:
        """`hangtag classify images -o out.csv`."""
        return self.hangtag("classify", FOLDER, "-o", str(self.stage.output), *options)

    def published(self) -> expected_table.Version:
        """The version that the trainer has published."""
        registry = Registry(self.store)
        card = registry.card(NAME, 1)
        return expected_table.Version(card, registry.read(card, runtimes.find("litert").artifact))


@pytest.fixture
def place(images: Gallery, tmp_path: Path, server_binary: Path) -> Iterator[Place]:
    if reason := network_namespaces.why_not():
        pytest.skip(reason)
    with (
        Network() as network,
        FarServer(server_binary, network) as server,
        ExitStack() as hosts,
        Fleet(server, **TIMES) as fleet,
    ):
        yield Place(network, fleet, hosts, images, tmp_path)


@pytest.mark.nightly
def test_machines_that_share_nothing_but_redis_classify_and_train_through_cut_cables(
    place: Place,
) -> None:
    check_nothing_is_shared(place)
    workers = [place.worker(room) for room in place.rooms]
    check_names(place)
    classify_while_cables_are_cut(place, workers)
    trainer = place.trainer()
    train_while_the_cable_is_cut(place)
    classify_with_the_new_version(place)
    place.stage.check_nothing_runs(*workers, trainer)


def check_nothing_is_shared(place: Place) -> None:
    """Each host has only its own files, cannot write to the system, and reaches only Redis."""
    owners = {place.images.cwd: place.desk, place.tables: place.desk}
    owners |= {place.school: place.academy, place.store: place.academy}
    for host in place.hosts:
        assert [path for path, owner in owners.items() if host.sees(path) != (owner is host)] == []
        assert host.run("touch", f"{HOME}/{host.name}").returncode == 0
        assert host.run("touch", "/usr/of-mine").returncode != 0
        assert host.site.reaches_server()
        assert not host.sees(place.fleet.server.socket)
    for host in place.hosts:
        assert host.run("ls", HOME).stdout.split() == [host.name]


def check_names(place: Place) -> None:
    """The heartbeats carry the names of the hosts."""
    beats = heartbeats.alive(place.fleet.client)
    assert sorted(beat.host for beat in beats) == [room.name for room in place.rooms]


def classify_while_cables_are_cut(place: Place, workers: list[Worker]) -> None:
    """The producer is cut off, then a worker with a batch in progress; both reconnect.

    No work is sent while the producer is unreachable, so work is left for the worker also on a
    fast machine.
    """
    producer = place.classify()
    place.stage.reach_the_middle(producer)
    other = place.stage.catch(producer, workers[1])  # the job cannot end
    place.desk.site.cut()
    producer.wait_for_log("Redis has been unreachable since")
    place.stage.check_outstanding(producer)
    place.desk.site.mend()
    producer.wait_for_log("Redis is back")
    held = place.stage.catch(producer, workers[0])
    site = place.rooms[0].site
    site.cut()
    place.stage.let_go(held)
    place.stage.let_go(other)
    wait_until_taken_over(place.fleet.client, held, timeout_s=30.0)
    site.mend()
    place.stage.check_finished(producer)


def train_while_the_cable_is_cut(place: Place) -> None:
    """A training survives a short cut, and all hosts can use the version afterwards."""
    options = ("--data", str(place.school), "--name", NAME, "--recipe", "tutorial")
    training = place.hangtag("train", *options, "--epochs", EPOCHS, "--promote", "always")
    training.wait_for_log("training")
    place.academy.site.cut()
    time.sleep(CUT_S)
    assert training.running, "the training ended before the cable was cut"
    place.academy.site.mend()
    assert training.wait() == 0, training.story
    assert f"{NAME}@1 is published" in training.out


def classify_with_the_new_version(place: Place) -> None:
    """Workers fetch the version from Redis."""
    producer = place.classify("--model", NAME, "--restart")
    assert producer.wait() == 0, producer.story
    paths = place.images.paths
    wanted = expected_table.table(place.images.cwd, paths, version=place.published())
    assert place.stage.output.read_bytes() == wanted

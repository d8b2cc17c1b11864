"""A running `hangtag label` whose request a test answers, used like a browser with its link."""

from __future__ import annotations

import re
import signal
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from shared.messages import replies
from shared.messages.replies import encode_features
from shared.messages.requests import Outcome
from tests.support.pages.planted_folder import PlantedFolder
from tests.support.processes.fleet import PRODUCT_PROGRAM, Fleet, wait_for
from tests.support.processes.manual_trainer import Hand
from tests.support.processes.page_client import PageClient

ENDS_WITHIN_S = 20.0
LINK = re.compile(r"http://(127\.0\.0\.1):(\d+)/\?token=([\w-]+)")


def answer_features(hand: Hand, folder: PlantedFolder, before: Collection[str] = ()) -> None:
    """Answer the request for the features of a folder, which is none of those before."""
    (request_id,) = wait_for("the request", lambda: set(hand.open()) - set(before))
    hand.claim(request_id)
    finish_features(hand, folder, request_id)


def finish_features(hand: Hand, folder: PlantedFolder, request_id: str) -> None:
    """Finish a claimed request with the features of a folder."""
    answer = Outcome(ok=True, answer=msgspec.Raw(msgspec.json.encode(folder.answer)))
    files = {replies.FEATURES_FILE: encode_features(folder.features)}
    hand.answer(request_id, answer, files)


class Label(PageClient):
    """The server of one folder, and its browser."""

    def __init__(
        self,
        fleet: Fleet,
        hand: Hand,
        folder: PlantedFolder,
        options: Sequence[str] = (),
        program: Sequence[str] = PRODUCT_PROGRAM,
        **settings: str,
    ) -> None:
        before = set(hand.open())
        self.file = folder.root.parent / f"{folder.root.name}.labels.jsonl"
        command = ("label", folder.root.name, *options)
        self.process = fleet.producer(*command, cwd=folder.root.parent, program=program, **settings)
        answer_features(hand, folder, before)
        link = wait_for("the link", self._link)
        super().__init__(link[1], int(link[2]), link[3])
        self.id = self.json("GET", "/facts")["id"]

    def of(self, path: str) -> str:
        """The address of this server's stacks, pictures or decisions."""
        return f"{path}{'&' if '?' in path else '?'}id={self.id}"

    @staticmethod
    def named(reply: dict[str, Any]) -> int:
        """The images that a person has named, as the heading of a reply says."""
        return int(reply["heading"].partition(" of ")[0].replace(",", ""))

    def next(self) -> Any:
        return self.json("GET", self.of("/items"))

    def decide(self, *decisions: dict[str, Any], settled: bool = True) -> Any:
        body = {"decisions": decisions, "settled": settled}
        return self.json("POST", self.of("/decisions"), body)

    def _link(self) -> re.Match[str] | None:
        found = LINK.search(self.process.out)
        assert found or self.process.running, self.process.story
        return found

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """End it with a signal; returns its exit code."""
        if self.process.running:
            self.process.signal(how)
        return self.process.wait(ENDS_WITHIN_S)

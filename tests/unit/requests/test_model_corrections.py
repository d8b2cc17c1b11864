"""A training learns from its own corrections and those of the model, unless told not to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import redis

from producer.trainer.train import summary
from shared.labels.label_line import LabelLine
from shared.labels.submitted_lines import encode_lines, input_sha256
from shared.messages.replies import Decided, Trained
from shared.messages.requests import Request
from shared.messages.training import Train
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.jobs.decided import line_of
from worker.requests import model_corrections
from worker.requests.context import Context
from worker.requests.model_corrections import ModelCorrections
from worker.train.learner import BuiltVersion

DECIDED = Decided("production", 1, None, changed=True, why="the first version")


def _file(content: str, label: str) -> LabelLine:
    return line_of(content.encode(), label, path="", undo=not label)


class Model:
    """A model, and trainings that publish at once."""

    def __init__(self, store: Path) -> None:
        self.registry, self._count = Registry(store), 0

    def train(self, *given: LabelLine, without: bool = False) -> ModelCorrections:
        """The corrections of the next training."""
        self._count += 1
        context = self._context(given, without)
        assert isinstance(context.request.work, Train)
        found = model_corrections.to_learn(context, context.request.work)
        files = {name: packaged.read(name) for name in packaged.card().files}
        mark = context.request.mark
        card = msgspec.structs.replace(packaged.card(), name="mine", request=mark)
        self.registry.publish(*found.in_version(BuiltVersion(card, files), {}), who="tester")
        again = model_corrections.to_learn(context, context.request.work)
        assert again == found, "another attempt learns from others"
        return found

    def _context(self, given: Sequence[LabelLine], without: bool) -> Context:
        data = encode_lines(given) if given else None
        work = Train("mine", "photo-head", "/photos", corrections=input_sha256(data))
        work = msgspec.structs.replace(work, without_corrections=without)
        request = Request(f"r{self._count}", work, "tester@here", float(self._count))
        return Context(
            request=request,
            registry=self.registry,
            client=redis.Redis(),
            folder=Path(),
            input=data,
            report=lambda progress: None,
            confirm=lambda: None,
        )


def _labels(found: ModelCorrections) -> list[str]:
    return sorted(file.label for file in found.files)


def _said(found: ModelCorrections) -> str:
    trained = Trained(
        "mine@1",
        packaged.card().metrics,
        DECIDED,
        1.0,
        corrections=len(found.files),
        earlier_corrections=found.earlier,
    )
    return "\n".join(summary(Settings(), trained))


def test_a_later_training_learns_from_earlier_corrections_and_says_so(tmp_path: Path) -> None:
    model = Model(tmp_path)
    first = model.train(_file("a", "cat"), _file("b", "dog"))
    assert (_labels(first), first.earlier) == (["cat", "dog"], 0)
    assert "earlier" not in _said(first)
    later = model.train(_file("b", "bird"), _file("c", "cow"))
    assert (_labels(later), later.earlier) == (["bird", "cat", "cow"], 1)
    last = model.train()
    assert (_labels(last), last.earlier) == (["bird", "cat", "cow"], 3)
    assert "3 of them from earlier trainings" in _said(last)
    assert "--without-corrections" in _said(last)


def test_a_decision_that_was_taken_back_is_learned_from_no_more(tmp_path: Path) -> None:
    model = Model(tmp_path)
    model.train(_file("a", "cat"), _file("b", "dog"))
    assert _labels(model.train(_file("a", ""))) == ["dog"]
    assert _labels(model.train()) == ["dog"]
    assert _labels(model.train(_file("a", "cow"))) == ["cow", "dog"]

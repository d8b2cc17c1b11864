"""A version of a few drawn photos, trained by the product's handler in this process."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from shared.messages.model_card import Card
from shared.messages.replies import Trained
from shared.messages.training import Train
from shared.registry.registry import Registry
from tests.support.jobs import handler_context
from tests.support.servers.redis_server import RedisServer
from worker.backbones import backbone_table
from worker.backbones.backbone_table import BACKBONES, Backbone
from worker.backbones.photo_features import row_bytes
from worker.datasets.examples import DIGEST_BYTES
from worker.requests.train import train
from worker.runtimes import load_runtime
from worker.runtimes.runtime import Classifier


class Training(NamedTuple):
    """A request that was handled, the version, and how it is run again."""

    server: RedisServer
    backbone: Backbone
    root: Path
    registry: Registry
    trained: Trained
    card: Card

    def again(self, work: Train, request_id: str) -> Trained:
        context, _ = handler_context.make(
            self.server, self.registry.root, work, request_id=request_id
        )
        answer = train(context, work).answer
        assert isinstance(answer, Trained)
        return answer

    def model(self) -> Classifier:
        return load_runtime.fetch(self.card, partial(self.registry.read, self.card)).load()

    def stored_features(self) -> int:
        """The number of images that the store has the features of both looks of, and those of the
        mirror image by the first."""
        sizes = [pack.stat().st_size for pack in self.registry.root.rglob("*.pack")]
        views = [self.backbone, *BACKBONES.values()]
        return sum(sizes) // sum(DIGEST_BYTES + 4 + row_bytes(row.features) for row in views)


def train_shapes(server: RedisServer, root: Path, store: Path) -> Training:
    """Train on the photos in `root`, in this process."""
    backbone = backbone_table.BACKBONES["efficientnet-lite0"]
    work = Train("shapes", "photo-head", str(root))
    context, _ = handler_context.make(server, store, work)
    trained = train(context, work).answer
    assert isinstance(trained, Trained)
    registry = Registry(store)
    return Training(server, backbone, root, registry, trained, registry.card("shapes", 1))

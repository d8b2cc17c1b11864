"""`hangtag models calibrate`: a version that was imported, calibrated on labelled images."""

from __future__ import annotations

from producer.models.train import evaluations, summary
from producer.present.events import Events
from producer.requests.check_class_folders import check_class_folders
from producer.requests.client import make_request
from producer.requests.submit import data_place, submit
from shared.messages.replies import Trained
from shared.messages.requests import Calibrate
from shared.settings import Settings
from shared.stop import Stop


def calibrate(
    settings: Settings,
    model: str,
    data: str,
    *,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Trained:
    """Publish a version of the same files whose confidence fits these images.

    Raises:
        SetupError, Stopped: as `submit`.
    """
    place = data_place(data, settings)
    check_class_folders(place, "evaluate", settings, events=events, stop=stop)
    outcome = submit(settings, make_request(Calibrate(model, place)), events=events, stop=stop)
    return outcome.decode(Trained)


def lines(trained: Trained, settings: Settings, room: int | None = None) -> list[str]:
    """The result as lines of text."""
    return summary(trained, evaluations(settings, trained.model), room)

"""What is printed after a training."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from producer.present.formatting import show_json
from producer.present.style import columns_of
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.messages.requests import Outcome


def show_detached(request_id: str, given: dict[str, Any]) -> None:
    """The id of a request that is not followed."""
    from producer.requests.wait import how_to_follow

    if given["as_json"]:
        show_json({"request": request_id})
    elif not given["quiet"]:
        click.echo(request_id)
        click.echo(how_to_follow(request_id), err=True)


def show_trained(
    settings: Settings, request_id: str, outcome: Outcome, *, quiet: bool, as_json: bool
) -> None:
    """The result of a training. Raises SetupError if another version of Hangtag wrote it."""
    from producer.models import train as training
    from shared.messages.replies import Trained

    if as_json:
        show_json(_reply(settings, request_id, outcome))
        return
    trained = outcome.decode(Trained)
    if quiet:
        return
    measured = training.evaluations(settings, trained.model)
    cost = training.cost_of(settings, trained.model)
    for line in training.summary(trained, measured, columns_of(sys.stdout), cost):
        click.echo(line)


def show_steps_of_labels(outcome: Outcome, given: dict[str, Any]) -> None:
    """The commands for all images of a folder whose labels were learned, if the version is used."""
    from producer.people.next_steps import steps_after_training
    from producer.present.style import next_commands
    from shared.messages.replies import Trained

    trained = outcome.decode(Trained)
    if (
        given["labels"] is None
        or given["quiet"]
        or given["as_json"]
        or not trained.decision.changed
    ):
        return
    model = trained.model.partition("@")[0]
    for line in ["", *next_commands(steps_after_training(given["data"], model))]:
        click.echo(line)


def _reply(settings: Settings, request_id: str, outcome: Outcome) -> dict[str, Any]:
    import msgspec

    from producer.models import train as training

    reply = msgspec.json.decode(outcome.answer)
    answer = {"request": request_id, **(reply if isinstance(reply, dict) else {})}
    if "model" in answer and "decision" in answer:
        answer["evaluations"] = training.evaluations(settings, answer["model"])
    return answer

"""The command `train`: submit, follow and cancel trainings, list open requests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from producer.cli.options import (
    as_json,
    command,
    corrections_option,
    declared,
    given_of,
    is_quiet,
    is_silent,
    json_option,
    print_answer,
    quiet_option,
    seldom_option,
)
from producer.cli.params import REQUEST, Parsed
from producer.present.formatting import show_json
from producer.present.formatting import typed as command_of
from producer.present.style import columns_of
from shared.errors import UsageError
from shared.messages.training import FASHION_MNIST, Train
from shared.options import parse_seconds
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.messages.requests import Outcome


#: Options that --follow, --cancel and --list accept.
_ALWAYS = {"timeout_s"}
_MODES = {"follow": "--follow", "cancel": "--cancel", "list_open": "--list"}


@command(
    ("hangtag train --data fashion-mnist", "a version of the model that ships"),
    ("hangtag train photos/", "a subfolder for each class; the model is `photos`"),
    ("hangtag train photos/ --labels", "learn from photos.labels.jsonl"),
    ("hangtag train photos/ --name garments --detach", ""),
    ("hangtag train --follow ID", "follow it again"),
)
@click.argument("folder", metavar="[DIR]", required=False)
@declared(Train)
@corrections_option
@click.option(
    "--labels",
    is_flag=False,
    flag_value="",
    type=click.Path(path_type=Path),
    metavar="[FILE]",
    help="Learn from the images that have labels by hangtag label, and from no others. Default: "
    "the folder's labels file in the current folder.",
)
@seldom_option(
    "--request-id",
    default="",
    metavar="ID",
    help="Idempotency key. Submitting the same id again returns the existing request, even if it "
    "failed.",
)
@click.option("--detach", is_flag=True, help="Print the request's id and return.")
@seldom_option(
    "--no-wait-for-trainer",
    "leave",
    is_flag=True,
    help="Fail with exit code 1 if no trainer is alive.",
)
@click.option("--follow", type=REQUEST, default="", metavar="ID", help="Follow an earlier request.")
@click.option(
    "--cancel", type=REQUEST, default="", metavar="ID", hidden=True, help="As hangtag cancel ID."
)
@click.option("--list", "list_open", is_flag=True, help="List the requests that are still open.")
@click.option(
    "--timeout",
    "timeout_s",
    type=Parsed("SECONDS", parse_seconds),
    help="Stop following after this time; the training continues.",
)
@quiet_option
@json_option
@click.pass_context
def train(ctx: click.Context, /, **given: Any) -> None:
    """Train a version of a model and follow the training.

    The training is queued. Ctrl-C stops following, not the training.

    A folder of photos gets a head on the features of a pretrained network.

    Exit codes: 0 trained and published, 1 it failed, 2 usage, 5 cancelled,
    130 no longer followed.
    """
    mode = _mode(ctx)
    settings = Settings.from_env()
    if mode == "list_open":
        _list(settings)
    elif mode == "cancel":
        _cancel(settings, given["cancel"])
    elif mode == "follow":
        _follow(settings, given)
    else:
        _train(settings, given)


def _mode(ctx: click.Context) -> str:
    """The mode option that was given, or an empty string.

    Raises:
        UsageError: nothing says what to learn from, two modes were given, or an option that
            the mode does not accept.
    """
    typed = [
        name
        for name in ctx.params
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    modes = [name for name in typed if name in _MODES]
    if not modes:
        if not set(typed) - _ALWAYS - {"detach", "leave"}:
            raise UsageError(
                "name a folder with a subfolder for each class, or train a version of the model "
                "that ships, which takes minutes, with: hangtag train --data fashion-mnist"
            )
        return ""
    other = [name for name in typed if name not in (_ALWAYS | {modes[0]})]
    if other:
        spelled = {param.name: param.opts[0] for param in ctx.command.params} | {"folder": "DIR"}
        raise UsageError(f"{_MODES[modes[0]]} cannot be combined; leave out {spelled[other[0]]}")
    return modes[0]


def _train(settings: Settings, given: dict[str, Any]) -> None:
    from producer.cli.running import running_request
    from producer.trainer.submit import submit
    from producer.trainer.train import make_training
    from shared.labels.labels_file import DEFAULT

    if given["folder"] is not None:
        if given["data"] != FASHION_MNIST:
            raise UsageError("DIR and --data name two data sets; leave out one of them")
        given = given | {"data": given["folder"]}
    if (labels := given["labels"]) is not None and labels != DEFAULT and labels.is_dir():
        command = command_of(["hangtag", "train", str(labels), "--labels"])
        raise UsageError(f"--labels {labels} names a folder, no labels file; run: {command}")
    with running_request(is_quiet()) as (events, stop):
        request, input = make_training(
            given_of(Train, given),
            settings,
            given["corrections"],
            given["request_id"],
            labels=given["labels"],
            events=events,
            stop=stop,
        )
        outcome = submit(
            settings,
            request,
            input=input,
            wait=not given["detach"],
            timeout_s=given["timeout_s"],
            wait_for_trainer=not given["leave"],
            events=events,
            stop=stop,
        )
    if given["detach"]:
        show_detached(request.id)
    else:
        show_trained(settings, request.id, outcome)
        show_steps_of_labels(outcome, given)


def _follow(settings: Settings, given: dict[str, Any]) -> None:
    from producer.cli.running import running_request
    from producer.trainer.existing import follow

    with running_request(is_quiet()) as (events, stop):
        request, outcome = follow(
            settings, given["follow"], timeout_s=given["timeout_s"], events=events, stop=stop
        )
    show_trained(settings, request.id, outcome, isinstance(request.work, Train))


def _cancel(settings: Settings, request_id: str) -> None:
    from producer.trainer.existing import cancel

    answer = {"request": request_id, "state": "cancelled"}
    print_answer(answer, [cancel(settings, request_id)])


def _list(settings: Settings) -> None:
    from producer.trainer.existing import open_requests, table

    requests = open_requests(settings)
    lines = table(requests) if requests else ["no request is open"]
    print_answer(requests, lines)


def show_detached(request_id: str) -> None:
    """The id of a request that is not followed."""
    from producer.trainer.submit import how_to_follow

    print_answer({"request": request_id}, [request_id])
    if not is_silent():
        click.echo(how_to_follow(request_id), err=True)


def show_trained(
    settings: Settings, request_id: str, outcome: Outcome, is_training: bool = True
) -> None:
    """The result of a training; of another request as JSON. Raises SetupError if another version of
    Hangtag wrote it."""
    from producer.trainer import train as training
    from shared.messages.replies import Trained

    if as_json() or not is_training:
        show_json(_reply(settings, request_id, outcome))
        return
    trained = outcome.decode(Trained)
    if is_quiet():
        return
    click.echo("\n".join(training.summary(settings, trained, columns_of(sys.stdout))))


def show_steps_of_labels(outcome: Outcome, given: dict[str, Any]) -> None:
    """The commands for all images of a folder whose labels were learned, if the version is used."""
    from producer.people.next_steps import steps_after_training
    from producer.present.style import next_commands
    from shared.messages.replies import Trained

    trained = outcome.decode(Trained)
    if given["labels"] is None or is_silent() or not trained.decision.changed:
        return
    model = trained.model.partition("@")[0]
    for line in ["", *next_commands(steps_after_training(given["data"], model))]:
        click.echo(line)


def _reply(settings: Settings, request_id: str, outcome: Outcome) -> dict[str, Any]:
    import msgspec

    from producer.trainer import train as training

    reply = msgspec.json.decode(outcome.answer)
    answer = {"request": request_id, **(reply if isinstance(reply, dict) else {})}
    if "model" in answer and "decision" in answer:
        answer["evaluations"] = training.evaluations(settings, answer["model"])
    return answer

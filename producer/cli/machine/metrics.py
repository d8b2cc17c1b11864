"""The command for monitoring: metrics."""

from __future__ import annotations

import click

from producer.cli.command_examples import examples
from producer.cli.options import json_option, log_json_option, logging_json, print_answer
from shared.settings import Settings

PORT = 9808


@click.command(epilog=examples(("hangtag metrics --port 9808", "http://127.0.0.1:9808/metrics")))
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True,
    help="0 chooses a free port; the address is printed.",
)  # fmt: skip
@log_json_option
@json_option
def metrics(host: str, port: int, log_json: bool, as_json: bool) -> None:
    """Serve Prometheus metrics in the foreground.

    They are at /metrics. Ctrl-C ends it.
    """
    from producer.fleet.commands import check_can_measure

    check_can_measure()
    from producer.metrics.http_endpoint import serve

    def ready(url: str) -> None:
        print_answer({"metrics": url}, [f"metrics: {url}"], as_json)

    serve(logging_json(Settings.from_env(), log_json), host, port, ready)


COMMANDS = (metrics,)

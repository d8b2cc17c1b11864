"""A real endpoint for metrics, and what Prometheus would make of its answers."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes.fleet import Fleet, Producer, wait_for
from tests.support.servers.redis_server import TEMP_DIR

COMMAND = ("metrics", "--port", "0")
_SAYS = "metrics: "
_PATIENCE_S = 30.0


class Scrape(dict[str, float]):
    """The samples of one answer, by `name` or `name{label="value"}`, labels in order."""

    def by(self, name: str) -> dict[str, float]:
        """The samples of a metric with one label, by its value; those that are not 0."""
        return {
            key.split('"')[1]: value
            for key, value in self.items()
            if key.startswith(name + "{") and value
        }


def parsed(text: str) -> Scrape:
    """An answer in Prometheus' text format."""
    scrape = Scrape()
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert name not in scrape, f"{name} comes twice"
            scrape[name] = sample.value
    return scrape


class Endpoint:
    """`hangtag metrics` at a free port, for a fleet's server or for what `settings` say."""

    def __init__(self, fleet: Fleet, **settings: str) -> None:
        self.process: Producer = fleet.producer(*COMMAND, cwd=Path(TEMP_DIR), **settings)
        self.url = wait_for("the address", self._address).removesuffix("/metrics")
        self.took_s = 0.0  #: how long the last answer took

    def get(self, path: str = "/metrics") -> str:
        """A page."""
        begun = time.monotonic()
        with urllib.request.urlopen(self.url + path, timeout=_PATIENCE_S) as answer:
            text: str = answer.read().decode()
        self.took_s = time.monotonic() - begun
        return text

    def scrape(self) -> Scrape:
        """What it tells now."""
        return parsed(self.get())

    def wait_for(self, what: str, **wanted: float) -> Scrape:
        """Scrape until these samples, without `hangtag_`, have these values."""

        def look() -> Scrape | None:
            now = self.scrape()
            good = all(now.get(f"hangtag_{name}") == value for name, value in wanted.items())
            return now if good else None

        return wait_for(what, look, poll_s=0.05)

    def _address(self) -> str:
        assert self.process.running, self.process.story
        lines = [line for line in self.process.out.splitlines() if line.startswith(_SAYS)]
        return lines[0].removeprefix(_SAYS) if lines else ""

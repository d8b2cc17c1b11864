"""A real endpoint for metrics, with its responses parsed as by Prometheus."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes.fleet import Fleet, Producer, wait_for

COMMAND = ("metrics", "--port", "0")
_ADDRESS_PREFIX = "metrics: "
_PATIENCE_S = 30.0


class Scrape(dict[str, float]):
    """The samples of one response, by `name` or `name{label="value"}`, labels in order."""

    def by(self, name: str) -> dict[str, float]:
        """The nonzero samples of a metric with one label, by the label's value."""
        return {
            key.split('"')[1]: value
            for key, value in self.items()
            if key.startswith(name + "{") and value
        }


def parsed(text: str) -> Scrape:
    """Parse a response in Prometheus' text format."""
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
    """`hangtag metrics` at a free port, for a fleet's server or the one in `settings`."""

    def __init__(self, fleet: Fleet, **settings: str) -> None:
        self.process: Producer = fleet.producer(*COMMAND, cwd=Path("/"), **settings)
        self.url = wait_for("the address", self._address).removesuffix("/metrics")
        self.took_s = 0.0  #: duration of the last request

    def get(self, path: str = "/metrics") -> str:
        """The text of a page."""
        started = time.monotonic()
        with urllib.request.urlopen(self.url + path, timeout=_PATIENCE_S) as response:
            text: str = response.read().decode()
        self.took_s = time.monotonic() - started
        return text

    def scrape(self) -> Scrape:
        """The current samples."""
        return parsed(self.get())

    def wait_for(self, what: str, **wanted: float) -> Scrape:
        """Scrape until these samples (names without `hangtag_`) have these values."""

        def poll() -> Scrape | None:
            now = self.scrape()
            good = all(now.get(f"hangtag_{name}") == value for name, value in wanted.items())
            return now if good else None

        return wait_for(what, poll, poll_s=0.05)

    def _address(self) -> str:
        assert self.process.running, self.process.story
        lines = [line for line in self.process.out.splitlines() if line.startswith(_ADDRESS_PREFIX)]
        return lines[0].removeprefix(_ADDRESS_PREFIX) if lines else ""

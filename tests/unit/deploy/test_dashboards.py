"""Dashboard, rules and page name exactly the metrics that the endpoint serves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from producer.job.snapshot import JobState
from producer.monitor.metric_families import STATES, Families, Snapshot
from tests.support.servers.metrics_endpoint import parsed

DEPLOY = Path(__file__).parents[3] / "deploy"
DASHBOARD, RULES = DEPLOY / "grafana/hangtag.json", DEPLOY / "prometheus/rules.yml"
PAGE = DEPLOY.parent / "docs/monitoring.md"
NAME = re.compile(r"\bhangtag_[a-z_]+")
#: A label in a query: `{state="running"}`, `without (code)`, or Grafana's `{{queue}}`.
LABEL = re.compile(r"([a-z_]+)=~?\"|without \(([a-z_]+)\)|\{\{([a-z_]+)\}\}")
#: Labels that Prometheus adds.
ADDED = {"instance", "job"}
ROWS = ["Backlog", "Throughput", "Fleet", "Models and training", "Redis"]


def served() -> set[str]:
    """The name of every sample, and of every label."""
    figures = Snapshot([], dict.fromkeys(STATES, 1), 1, 1.0, [("name", "alias", 1)], 1, 1, 0.5, 1)
    registry = CollectorRegistry()
    registry.register(Families(lambda: figures))
    return set(parsed(generate_latest(registry).decode()))


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def expressions() -> list[str]:
    """The queries of the dashboard, with their legends."""
    targets = [target for panel in panels() for target in panel.get("targets", [])]
    return [f"{target['expr']} {target['legendFormat']}" for target in targets]


NAMES = {sample.partition("{")[0] for sample in served()}
LABELS = {label for sample in served() for label in re.findall(r"(\w+)=\"", sample)} | ADDED


def test_the_metric_names_are_the_documented_ones() -> None:
    gauges = {
        "batches_outstanding", "oldest_batch_age_seconds", "jobs", "images_per_second", "workers",
        "slots", "model_version_info", "training_leases", "requests_open", "redis_up",
        "redis_memory_ratio",
    }  # fmt: skip
    assert {f"hangtag_{name}" for name in gauges | {"images_total", "failures_total"}} == NAMES
    assert {f'hangtag_jobs{{state="{state}"}}' for state in STATES} < served()
    assert set(JobState) - set(STATES) == {JobState.FINISHED, JobState.UNREADABLE}


def test_the_page_on_monitoring_explains_each_metric() -> None:
    rows = re.findall(r"^\| `(hangtag_[a-z_]+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(NAMES)


@pytest.mark.parametrize("expression", expressions())
def test_a_panel_queries_served_metrics(expression: str) -> None:
    queried = set(NAME.findall(expression))
    assert queried
    assert queried <= NAMES
    assert {"".join(groups) for groups in LABEL.findall(expression)} <= LABELS


def test_every_metric_is_on_the_dashboard() -> None:
    assert set(NAME.findall(" ".join(expressions()))) == NAMES
    assert [panel["title"] for panel in panels() if panel["type"] == "row"] == ROWS
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))


def test_the_rules_query_served_metrics() -> None:
    queried = set(NAME.findall(RULES.read_text(encoding="utf-8")))
    assert len(queried) > 5
    assert queried <= NAMES


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on this machine")
def test_prometheus_can_read_the_rules_and_its_configuration() -> None:
    config = DEPLOY / "prometheus/prometheus.yml"
    for command in (("rules", RULES), ("config", config)):
        subprocess.run(["promtool", "check", *command], check=True, capture_output=True)

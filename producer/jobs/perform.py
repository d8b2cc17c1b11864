"""Does what is asked of a job: classifies, brings its table up to date, or watches its files."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import msgspec

from producer.inputs.job_options import JobOptions
from producer.jobs.classify import classify
from producer.jobs.follow import followed, is_followed
from producer.jobs.run import Summary
from producer.jobs.update import update
from producer.jobs.watch import watch
from producer.journal.snapshot import not_started
from producer.present.events import Events
from shared.settings import Settings
from shared.stop import Stop


def perform(
    options: JobOptions,
    settings: Settings,
    *,
    stdin: BinaryIO | None = None,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Summary:
    """Finish a job, or leave it resumable; follow one that another process runs. Arguments and what
    is raised are those of `classify`."""
    events, stop = events or Events(), stop or Stop()

    def once(timeout_s: float | None) -> Summary:
        act = update if options.update or options.watch else classify
        asked = msgspec.structs.replace(options, timeout_s=timeout_s)
        return act(asked, settings, stdin=stdin, events=events, stop=stop)

    if options.watch:
        return watch(options, once, events, stop)
    if stdin is None and is_followed(options) and (summary := followed(options, events, stop)):
        return summary
    if not (options.roots or options.list_file):  # its table was named
        raise not_started(Path(options.output))
    return once(options.timeout_s)

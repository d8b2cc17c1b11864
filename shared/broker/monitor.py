"""The Celery application of a monitor: `celery -A shared.broker.monitor flower`.

With HANGTAG_CELERY_EVENTS=1 it receives the workers' events and sends them read-only commands.
"""

from __future__ import annotations

from celery import Celery

from shared.broker.celery_app import MONITOR, make_app
from shared.broker.runtime_paths import broker_url
from shared.settings import Settings

app: Celery = make_app(broker_url(Settings.from_env()), MONITOR, events=True)

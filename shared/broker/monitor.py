"""The Celery application of a monitor: `celery -A shared.broker.monitor flower`.

It hears what workers say of themselves where HANGTAG_CELERY_EVENTS is 1, and asks them. It does
nothing else, so it needs no more than what is here.
"""

from __future__ import annotations

from celery import Celery

from shared.broker.celery_app import MONITOR, make_app
from shared.broker.location import broker_url
from shared.settings import Settings

app: Celery = make_app(broker_url(Settings.from_env()), MONITOR, events=True)

"""`hangtag metrics`: an HTTP endpoint for Prometheus, in the foreground."""

from __future__ import annotations

import errno
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import redis
from prometheus_client import CollectorRegistry, make_wsgi_app, start_wsgi_server
from redis.exceptions import RedisError

from producer.monitor.metric_families import Families, Snapshot, take_snapshot
from producer.present.formatting import one_line
from shared import logs
from shared.broker.redis_client import connect
from shared.broker.runtime_paths import broker_url
from shared.errors import BrokerRefuses, Exit, SetupError, bounded
from shared.settings import Settings

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)
#: Role of the connections; they do not keep this machine's stack running
#: (producer/machine/server_client.py).
ROLE = "metrics"
#: For a connection or a reply. A scrape ends at the first late one; Prometheus waits for 10 s.
ANSWER_S = 2.0
#: For what a client sends or takes next: an idle one occupies a thread no longer.
CLIENT_S = 5.0
_PAGES = ("/metrics", "/")
_HEALTH = "/healthz"


def serve(settings: Settings, host: str, port: int, on_ready: Callable[[str], None]) -> NoReturn:
    """Serve until SIGTERM or Ctrl-C, also while Redis is unreachable. `on_ready` gets the address
    of the figures.

    Raises:
        SetupError: the address or the configured broker cannot be used.
        BrokerRefuses: the broker denies access.
    """
    logs.log_to_stderr(settings, "%(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(Exit.OK))
    exporter = Exporter(connect(broker_url(settings), ROLE, ANSWER_S))
    registry = CollectorRegistry()
    registry.register(Families(exporter, exporter.first()))
    server = _listening(registry, host, port)
    url_host = f"[{host}]" if ":" in host else host
    on_ready(f"http://{url_host}:{server.server_port}/metrics")
    try:
        while True:
            signal.pause()
    finally:
        server.shutdown()
        server.server_close()


class Exporter:
    """Takes snapshots without raising; each outage or refusal is logged once."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._trouble = ""
        self._lock = threading.Lock()

    def first(self) -> Snapshot | None:
        """A snapshot; None while the server is unreachable.

        Raises:
            BrokerRefuses: it denies access, which does not pass by waiting.
        """
        with suppress(RedisError):  # an outage may pass
            return take_snapshot(self._client)
        return None

    def __call__(self) -> Snapshot | None:
        """A snapshot; None while the server is unreachable or denies access."""
        try:
            figures = take_snapshot(self._client)
        except BrokerRefuses as error:
            self._report(str(error))
        except RedisError as error:
            self._report(f"Redis does not answer: {bounded(one_line(str(error)))}")
        else:
            self._report("")
            return figures
        return None

    def _report(self, trouble: str) -> None:
        with self._lock:
            before, self._trouble = self._trouble, trouble
        if bool(trouble) != bool(before):
            log.log(logging.WARNING if trouble else logging.INFO, trouble or "Redis is back")


def _listening(registry: CollectorRegistry, host: str, port: int) -> WSGIServer:
    try:
        server, _ = start_wsgi_server(port, host, registry)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SetupError(f"port {port} of {host} is in use; choose another --port") from error
        reason = error.strerror or str(error)
        raise SetupError(
            f"cannot listen at {host}, port {port}: {reason}; choose another --host or --port"
        ) from error
    except UnicodeError as error:
        raise SetupError(f"{host:.80} is not a valid host name; choose another --host") from error
    server.set_app(_routes(make_wsgi_app(registry)))
    server.RequestHandlerClass.timeout = CLIENT_S  # type: ignore[attr-defined]
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that leaves
    return server


def _routes(metrics: WSGIApplication) -> WSGIApplication:
    """Serve the metrics, and a health check of this process without access to Redis."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path in _PAGES:
            return metrics(environ, start_response)
        is_health = path == _HEALTH
        start_response("200 OK" if is_health else "404 Not Found", [("Content-Type", "text/plain")])
        return [b"ok\n" if is_health else b"not found; see /metrics\n"]

    return app

"""Starts the source: tests.support.nodes FD_OF_CONTROLLER FD_OF_LISTENER ARGUMENTS_OF_PYTEST."""

from __future__ import annotations

import socket
import sys
from typing import Any

from tests.support.processes.quick_end import QuickEnd


def main() -> None:
    """Imports in an order: pytest warns if its plugin xdist has been imported before it starts."""
    end = QuickEnd()
    from _pytest.config import _prepareconfig

    controller, listener = (socket.socket(fileno=int(fd)) for fd in sys.argv[1:3])
    config: Any = _prepareconfig(sys.argv[3:], None)
    from xdist.remote import setup_config

    from tests.support.nodes.source import Source

    setup_config(config, None)
    config.workerinput, config.workeroutput = {}, {}
    source = Source(controller, listener)
    config.pluginmanager.register(source)
    config.hook.pytest_cmdline_main(config=config)
    source.end()
    end.code = 0


if __name__ == "__main__":
    main()

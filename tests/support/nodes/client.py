"""Started by execnet in place of a Python: a copy of the source takes over its input and output.

It ends when the copy ends, and the copy is killed if it is. It imports little, because it is
started with `python -I -S`.
"""

import os
import signal
import socket
import sys

signal.signal(signal.SIGINT, signal.SIG_IGN)  # the copy reacts
ended, report = os.pipe()
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as source:
    source.connect(sys.argv[1])
    socket.send_fds(source, [b"copy"], [0, 1, report])
    os.close(report)
    os.read(ended, 1)

"""`classify --watch`: brings a table up to date whenever files of its job may have changed.

The system reports changes of local folders (watchfiles, from the extra `watch`). It reports none of
other machines' files, so those of network disks, of buckets and of lists are compared again and
again, and local ones once in a while, since a report can be lost.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from producer.job.job_options import JobOptions
from producer.job.snapshot import with_known_files
from producer.present.events import Events, Watching
from producer.run.run import Summary
from producer.sources.folder_walk import OwnFiles
from producer.sources.job_sources import JobSources
from shared.errors import COMPLETE, HangtagError, SetupError, StillOpen, Stopped, UsageError
from shared.installation import WATCH_PACKAGES, missing
from shared.stop import Stop, Waits

if TYPE_CHECKING:
    from collections.abc import Generator

#: The table is written at most this often. It takes at most half of the time, however large it is.
PAUSE_S = 3.0
#: After an error that may end by itself, for example of a disk that is missing.
AGAIN_AFTER_S = 10.0
#: The least time that a round gets: none at all means no limit.
_LEAST_S = 0.001
#: A change is passed on when nothing has changed for `_STEP_MS`, or after `_TOGETHER_MS`.
_STEP_MS, _TOGETHER_MS = 100, 500
#: The time after which a wait without a change goes on, to see whether it is over.
_TURN_MS = 500
#: How long files are not compared although nothing has been reported.
POLL_S, RARELY_S = 10.0, 60.0
_MOUNTS = "/proc/self/mountinfo"
#: File systems of which other machines write the files, without a report here.
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "beegfs",
           "glusterfs", "ocfs2", "gfs2", "vboxsf", "vmhgfs"}  # fmt: skip

#: Waits until something may have changed, for this many seconds at most; returns whether it may.
Wait = Callable[[float], bool]


def watch(
    options: JobOptions,
    bring_up_to_date: Callable[[float | None], Summary],
    events: Events,
    stop: Stop,
) -> Summary:
    """Call `bring_up_to_date` again and again, first at once, each time with what is left of
    --timeout; returns the last summary once it was stopped, after this time, or when a job has
    ended otherwise than complete.

    Raises:
        UsageError, SetupError: of the first call, or there is no package that watches folders.
        StillOpen: Redis was not ready within this time.
        Stopped: it was stopped before the first call has ended.
    """
    deadline = time.monotonic() + (options.timeout_s or float("inf"))
    if options.is_piped:
        raise UsageError(
            "the list of images is no file and cannot be watched; save it as one, or name a folder"
        )
    with (
        closing(Waits(stop)) as waits,
        closing(JobSources(with_known_files(options), waits)) as sources,
    ):
        sources.check()
        with watched(sources, stop, events.notice) as (wait, rarely_s):
            rounds = _Rounds(bring_up_to_date, events, deadline)
            summary = rounds.run()
            events.notice("watching for changes; end with Ctrl-C")
            try:
                while summary.exit_code in COMPLETE and not stop.requested:
                    events.report(Watching())
                    if not rounds.wait(wait, rarely_s):
                        break
                    summary = rounds.run_again() or summary
            except Stopped:
                pass
            return summary


class _Rounds:
    """The updates of one watch."""

    def __init__(
        self, bring_up_to_date: Callable[[float | None], Summary], events: Events, deadline: float
    ) -> None:
        self._run, self._events, self._deadline = bring_up_to_date, events, deadline
        self._pause_s = PAUSE_S
        self._is_due = False  #: whether a file waits, or the last round has failed

    def run(self) -> Summary:
        begun = time.monotonic()
        left_s = self._deadline - begun
        summary = self._run(None if left_s == float("inf") else max(left_s, _LEAST_S))
        self._ended(time.monotonic() - begun, summary.young > 0)
        return summary

    def run_again(self) -> Summary | None:
        """The summary of a round; None if it failed, which a notice says. Raises Stopped,
        StillOpen."""
        try:
            return self.run()
        except (Stopped, StillOpen):
            raise
        except HangtagError as error:
            self._events.notice(f"{error}; watching goes on")
            self._ended(AGAIN_AFTER_S, True)
            return None

    def wait(self, wait: Wait, rarely_s: float) -> bool:
        """Wait until a round is due; false if the deadline comes first. Raises Stopped."""
        begun = time.monotonic()
        until = min(begun + self._pause_s, self._deadline)
        if not self._is_due and begun < self._deadline:
            wait(min(max(rarely_s, self._pause_s), self._deadline - begun))
        while (left_s := until - time.monotonic()) > 0:
            wait(left_s)
        return time.monotonic() < self._deadline

    def _ended(self, took_s: float, is_due: bool) -> None:
        self._pause_s, self._is_due = max(PAUSE_S, took_s), is_due


@contextmanager
def watched(
    sources: JobSources, stop: Stop, notice: Callable[[str], None]
) -> Iterator[tuple[Wait, float]]:
    """What waits for a change, and the time after which one is assumed. The wait raises Stopped.

    Raises:
        SetupError: there is no package that watches folders.
    """
    roots = _local_roots(sources)
    if not roots:
        yield _Polled(stop).wait, POLL_S
        return
    if lack := missing(WATCH_PACKAGES, "watch"):
        raise SetupError(f"watching folders: {lack}")
    with closing(_reported(roots, stop)) as changes:
        try:
            next(changes)  # begins
        except OSError as error:
            notice(f"the system cannot report changes ({error}); all files are compared instead")
            yield _Polled(stop).wait, POLL_S
            return
        yield _Watched(changes, OwnFiles(sources.options.output), _Polled(stop)).wait, RARELY_S


def _local_roots(sources: JobSources) -> list[str]:
    """The folders to watch; none if some files have to be polled."""
    if sources.has_others:
        return []
    places = [os.path.realpath(each.place) for each in sources.local_arguments()]
    folders = {place if os.path.isdir(place) else os.path.dirname(place) for place in places}
    if any(_is_remote(folder) for folder in folders):
        return []
    return sorted(map(os.fsdecode, folders))


def _is_remote(folder: bytes) -> bool:
    """Whether a folder is on a disk of another machine."""
    kinds: dict[bytes, str] = {}
    try:
        with open(_MOUNTS, "rb") as mounts:
            for line in mounts:
                before, _, after = line.partition(b" - ")
                kinds[_unescaped(before.split()[4])] = after.split()[0].decode()
    except (OSError, IndexError, UnicodeDecodeError):
        return False
    while folder not in kinds and folder != b"/":
        folder = os.path.dirname(folder)
    kind = kinds.get(folder, "")
    return kind in _REMOTE or kind.startswith("fuse.")


def _unescaped(path: bytes) -> bytes:
    return path.decode("unicode_escape").encode("latin-1")


class _Polled:
    """Waits for the time."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def wait(self, seconds: float) -> bool:
        with closing(Waits(self._stop)) as waits:
            waits.sleep(seconds)
        return False


class _Watched:
    """Waits for reports about other files than those of the job, or for the time once the system
    has no more room for reports."""

    def __init__(self, changes: Iterator[set[str]], own: OwnFiles, polled: _Polled) -> None:
        self._changes, self._own, self._polled = changes, own, polled
        self._wait: Wait = self._reported

    def wait(self, seconds: float) -> bool:
        try:
            return self._wait(seconds)
        except OSError:
            self._wait = lambda seconds: self._polled.wait(min(seconds, POLL_S))
            return True

    def _reported(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            paths = next(self._changes, None)
            if paths is None:
                raise Stopped
            if any(not self._is_own(os.fsencode(path)) for path in paths):
                return True
        return False

    def _is_own(self, path: bytes) -> bool:
        return self._own.may_hold(os.path.basename(path)) and self._own.lies_beside(path)


class _Requested:
    """What watchfiles asks whether to end."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def is_set(self) -> bool:
        return self._stop.requested


def _reported(roots: list[str], stop: Stop) -> Generator[set[str], None, None]:
    """The paths that have changed, in turns; first an empty one, when reports begin. Raises
    OSError, also for what the library calls an internal error: too many watches."""
    from watchfiles import watch

    reports = watch(
        *roots, watch_filter=None, debounce=_TOGETHER_MS, step=_STEP_MS, rust_timeout=_TURN_MS,
        yield_on_timeout=True, stop_event=_Requested(stop), ignore_permission_denied=True,
        raise_interrupt=False,
    )  # fmt: skip
    try:
        for changes in reports:
            yield {path for _, path in changes}
    except RuntimeError as error:
        raise OSError(str(error)) from error

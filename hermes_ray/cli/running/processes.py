"""Child processes: know all of them, and leave none behind."""

import ctypes
import os
import signal
import sys

import psutil

_PR_SET_CHILD_SUBREAPER = 36

GRACE_S = 5.0
"""How long children may take to end once they have been told to, seconds."""


class ChildProcesses:
    """Every process that is started from here on by this one, by its children, and so on.

    Children that exist already when this object is made belong to somebody else and are left alone.

    While it exists, the kernel hands this process the children of its children when those die first (Linux only,
    prctl(2), PR_SET_CHILD_SUBREAPER). Ray's daemons start workers of their own; without this, such a worker moves to
    process 1 when its parent is killed, and nobody here would know of it any more.
    """

    def __init__(self) -> None:
        self._strangers = set(psutil.Process().children())
        if sys.platform == "linux":
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def end(self, grace_s: float = GRACE_S) -> int:
        """Tell them all to end (SIGTERM), wait for them, then kill the rest.

        Returns:
            How many had to be killed.
        """
        processes = self._running()
        for process in processes:
            _signal(process, signal.SIGTERM)
        _, alive = psutil.wait_procs(processes, timeout=grace_s)
        killed = self.kill() if alive else 0
        self._reap()
        return killed

    def kill(self) -> int:
        """Kill them all and return how many there were."""
        killed = 0
        # A process may start another one while we look; look again until there is none.
        while processes := self._running():
            for process in processes:
                killed += _signal(process, signal.SIGKILL)
            psutil.wait_procs(processes, timeout=1.0)
        return killed

    def _own_children(self) -> list[psutil.Process]:
        return [child for child in psutil.Process().children() if child not in self._strangers]

    def _running(self) -> list[psutil.Process]:
        family = [process for child in self._own_children() for process in (child, *_descendants(child))]
        return [process for process in family if _is_running(process)]

    def _reap(self) -> None:
        # Adopted children that died before us: in a container whose first process reaps nothing they would stay.
        for child in self._own_children():
            try:
                os.waitpid(child.pid, os.WNOHANG)
            except ChildProcessError:
                continue


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, signum: signal.Signals) -> bool:
    try:
        process.send_signal(signum)
    except psutil.NoSuchProcess:
        return False
    return True

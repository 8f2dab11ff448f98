"""Child processes: know all of them, and leave none behind."""

import ctypes
import os
import signal
import sys

import psutil

_PR_SET_CHILD_SUBREAPER = 36

GRACE_S = 5.0
"""How long children may take to end by themselves once their owner has been told to end, seconds."""


def adopt_orphans() -> None:
    """Make the kernel hand us the children of our children when those die first.

    Ray's daemons start workers of their own. Without this (Linux only, prctl(2)), such a worker moves to process 1 when
    its parent is killed, and nobody here would know of it any more.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(grace_s: float = GRACE_S) -> int:
    """Tell all child processes to end (SIGTERM), wait for them, then kill the rest.

    Returns:
        How many had to be killed.
    """
    processes = _descendants()
    for process in processes:
        _signal(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(processes, timeout=grace_s)
    killed = kill_descendants() if alive else 0
    _reap_zombies()
    return killed


def kill_descendants() -> int:
    """Kill every child process, their children too, and return how many there were."""
    killed = 0
    # A process may start another one while we look; look again until there is none.
    while processes := _descendants():
        for process in processes:
            killed += _signal(process, signal.SIGKILL)
        psutil.wait_procs(processes, timeout=1.0)
    return killed


def _descendants() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if _is_running(child)]


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _reap_zombies() -> None:
    # Adopted children that died before us; in a container whose first process reaps nothing they would stay for ever.
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _signal(process: psutil.Process, signum: signal.Signals) -> bool:
    try:
        process.send_signal(signum)
    except psutil.NoSuchProcess:
        return False
    return True

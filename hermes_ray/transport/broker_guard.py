"""Runs a program as the only child of this small process and ends it when the starter is gone.

Run as a script: ``python -I broker_guard.py STARTER_PID PROGRAM ARG...``. Standard library only, no package imports.

Why a process of its own: PR_SET_PDEATHSIG fires when the *thread* that forked ends, not the process, and a
``preexec_fn`` may deadlock in a program with threads, such as one that runs Ray. This process has one thread, so
both are sound here: it notices that the starter is gone by its own parent changing, however the starter
died, and the kernel ends the program if this process itself is killed.
"""

import ctypes
import os
import signal
import subprocess
import sys
from types import FrameType

_CHECK_S = 0.2
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _stop(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)


def guard(starter_pid: int, command: list[str]) -> int:
    """Run the command until it ends, this process is told to stop, or the starter is gone; return its status."""
    signal.signal(signal.SIGTERM, _stop)
    program = subprocess.Popen(command, preexec_fn=_die_with_parent)
    try:
        while os.getppid() == starter_pid:
            try:
                return program.wait(_CHECK_S)
            except subprocess.TimeoutExpired:
                continue
        return 0
    finally:
        # Nothing to save: the broker is memory only, and on SIGTERM it would wait for its clients to leave.
        program.kill()
        program.wait()


if __name__ == "__main__":
    sys.exit(guard(int(sys.argv[1]), sys.argv[2:]))

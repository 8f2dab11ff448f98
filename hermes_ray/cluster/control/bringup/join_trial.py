"""Tries to join a Ray cluster, in a process of its own that never outlives its time. See :mod:`.ray_address`.

Run as a script: ``python -P join_trial.py RAY_ADDRESS HOST PORT``; without host and port it does not look whether
anybody listens. Standard library and Ray only. Writes one line of JSON to stdout before each stage, and one with the
error.

Why a process of its own: ``ray.init`` repeats for up to 14 minutes what its C++ part waits for, and no exception out of
a signal handler gets through to it. The kernel's alarm ends this process wherever it is.
"""

import json
import logging
import os
import signal
import socket
import sys
from typing import TextIO

REACHING = "reaching"
JOINING = "joining"
REACH_LIMIT_S = 8.0
"""For the name and the connection together."""
JOIN_LIMIT_S = 15.0
"""Joining takes a second or two; counted from when Ray is loaded, which depends on the disk."""

_CONNECTION_LIMIT_S = 3.0
"""For one of the addresses that a name stands for, so that the next one has its turn."""


def _reach(host: str, port: int, report: TextIO) -> None:
    _begin(REACHING, REACH_LIMIT_S, report)
    socket.create_connection((host, port), timeout=_CONNECTION_LIMIT_S).close()
    signal.setitimer(signal.ITIMER_REAL, 0)


def _join(address: str, report: TextIO) -> None:
    import ray
    from ray.exceptions import RayError

    _begin(JOINING, JOIN_LIMIT_S, report)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except RayError as error:  # no kin of the errors that others raise, such as one of a missing token
        raise ConnectionError(str(error)) from error
    ray.shutdown()


def _begin(stage: str, limit_s: float, report: TextIO) -> None:
    print(json.dumps({"stage": stage}), file=report, flush=True)
    signal.setitimer(signal.ITIMER_REAL, limit_s)


def main(address: str, host: str = "", port: str = "0") -> int:
    """Go through the stages; 0 if Ray could be joined."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    report = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # Ray prints there too
    try:
        if host:
            _reach(host, int(port), report)
        _join(address, report)
    except (OSError, RuntimeError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        print(json.dumps({"error": " ".join(text.split())}), file=report, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

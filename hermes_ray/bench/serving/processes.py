"""CPU time of the processes of a run."""

from collections.abc import Mapping

import psutil

_TITLES: Mapping[str, str] = {
    "ray::StreamMemoryActor": "worker",
    "ray::ServeReplica": "router",
    "ray::ProxyActor": "proxy",
    "ray::FrameIngestActor": "ingest",
}


def own_cpu_s() -> dict[str, float]:
    """Of this process, where an engine works in it, seconds so far."""
    return {"worker": _cpu_s(psutil.Process())}


def system_cpu_s() -> dict[str, float]:
    """Of the system that this process started, and of this process, which asks; seconds so far, by what they are."""
    found = {"askers": _cpu_s(psutil.Process())}
    for process in psutil.Process().children(recursive=True):
        try:
            title = (process.cmdline() or [""])[0]
            kind = next((kind for start, kind in _TITLES.items() if title.startswith(start)), None)
            if kind is not None:
                found[kind] = found.get(kind, 0.0) + _cpu_s(process)
        except psutil.NoSuchProcess:
            continue
    return found


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system

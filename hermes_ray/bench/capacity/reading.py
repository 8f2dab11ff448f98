"""What the running system has done so far: its own metrics, and the time that its processes took."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.request import urlopen

import psutil
from prometheus_client.parser import text_string_to_metric_families

_TITLES: Mapping[str, str] = {
    "ray::FrameIngestActor": "ingest",
    "ray::StreamMemoryActor": "memory",
    "ray::Coordinator": "coordinator",
    "ray::ServeReplica": "router",
    "ray::ProxyActor": "proxy",
    "raylet": "ray",
    "gcs_server": "ray",
    "tansu": "broker",
}
LOOPBACK = "lo"
_LAG, _LIMIT_S = "hermes_capture_to_askable_seconds", 30.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Sums since the system began.

    Attributes:
        at_s: when it was read, seconds since epoch.
        published: frames that the cameras sent.
        applied: frames that memories have seen.
        unchanged: those of them that were not encoded.
        lags: by upper bound, seconds, how many frames could be asked about so soon after they were captured.
        vision_s: of the engine's thread, in the vision tower,
        frames_s: in steps of frames, that included,
        answers_s: in steps of answers.
        cpu_s: processor time by kind of process; ``cameras`` is the load itself.
        ingest_thread_s: processor time of the ingest worker's busiest thread.
        busy_s: processor time of everything on this machine.
        sent_bytes: over the machine's interfaces, the one to itself too,
        link_bytes: without that one.
    """

    at_s: float
    published: int
    applied: int
    unchanged: int
    lags: Mapping[float, int]
    vision_s: float
    frames_s: float
    answers_s: float
    cpu_s: Mapping[str, float]
    ingest_thread_s: float
    busy_s: float
    sent_bytes: int
    link_bytes: int


def read(url: str, published: int) -> Reading:
    """What a system that this process started has done by now.

    Args:
        url: of its API.
        published: frames that the cameras sent.

    Raises:
        OSError: the API does not answer.
    """
    with urlopen(f"{url}/metrics", timeout=_LIMIT_S) as response:  # noqa: S310 - of our own system
        text = response.read().decode()
    sums: dict[str, float] = {}
    lags: dict[float, int] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
            if sample.name == f"{_LAG}_bucket":
                bound = float(sample.labels["le"])
                lags[bound] = lags.get(bound, 0) + round(sample.value)
    cpu_s, ingest_thread_s = _processes()
    times = psutil.cpu_times()
    sent = {name: link.bytes_sent for name, link in psutil.net_io_counters(pernic=True).items()}
    return Reading(
        at_s=time.time(),
        published=published,
        applied=round(sums.get("hermes_frames_applied_total", 0)),
        unchanged=round(sums.get("hermes_frames_unchanged_total", 0)),
        lags=lags,
        vision_s=sums.get("hermes_vision_seconds_sum", 0.0),
        frames_s=sums.get("hermes_frame_step_seconds_sum", 0.0),
        answers_s=sums.get("hermes_answer_step_seconds_sum", 0.0),
        cpu_s=cpu_s,
        ingest_thread_s=ingest_thread_s,
        busy_s=sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0),
        sent_bytes=sum(sent.values()),
        link_bytes=sum(count for name, count in sent.items() if name != LOOPBACK),
    )


def _processes() -> tuple[dict[str, float], float]:
    """Processor time by kind, and of the ingest worker's busiest thread."""
    own = psutil.Process()
    found, busiest_s = {"cameras": _cpu_s(own)}, 0.0
    for process in own.children(recursive=True):
        try:
            title = (process.cmdline() or [""])[0]
            kind = next((kind for name, kind in _TITLES.items() if _is(title, name)), None)
            if kind is None:
                continue
            found[kind] = found.get(kind, 0.0) + _cpu_s(process)
            if kind == "ingest":
                busiest_s += max(thread.user_time + thread.system_time for thread in process.threads())
        except psutil.NoSuchProcess:
            continue
    return found, busiest_s


def _is(title: str, name: str) -> bool:
    return title.startswith(name) or title.rpartition("/")[2].startswith(name)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system

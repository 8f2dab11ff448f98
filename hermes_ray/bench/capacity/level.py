"""What one number of cameras came to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from hermes_ray.bench.capacity.plan import Plan, Unchanged
from hermes_ray.bench.capacity.reading import LOOPBACK, Reading
from hermes_ray.bench.statistics import percentile

_FULL = 0.85
"""A part that is busy for more of the time than this is what the others wait for."""


@dataclass(frozen=True, slots=True)
class Level:
    """One number of cameras.

    Attributes:
        unchanged: ``video.unchanged`` of the system.
        cameras: how many published.
        before: when it was warm.
        after: at its end.
        overdue: frames that had been published for longer than the bound on the lag, and could not be asked about.
        late_camera_s: by how much the cameras themselves were late, at most.
        ttft_s: of each question, to its first token; to its refusal if it was refused.
        refused: questions that were refused, by code.
    """

    plan: Plan
    unchanged: Unchanged
    cameras: int
    before: Reading
    after: Reading
    overdue: int
    late_camera_s: float
    ttft_s: Sequence[float]
    refused: Mapping[str, int]

    @property
    def seconds(self) -> float:
        """That count."""
        return self.after.at_s - self.before.at_s

    @property
    def frames(self) -> int:
        """That memories have seen meanwhile."""
        return self.after.applied - self.before.applied

    @property
    def encoded_share(self) -> float | None:
        """Of these, share that was encoded; ``None`` without frames."""
        if not self.frames:
            return None
        return 1 - (self.after.unchanged - self.before.unchanged) / self.frames

    def lag_s(self, percent: float) -> float | None:
        """A percentile from capture to askable; frames that are overdue count as infinitely late.

        Interpolated within the metric's buckets; ``None`` if it is infinite or there are no frames.
        """
        bounds = sorted(self.after.lags)
        counts = [self.after.lags[bound] - self.before.lags.get(bound, 0) for bound in bounds]
        wanted = percent / 100 * (counts[-1] + self.overdue) if counts else 0.0
        low_s, low = 0.0, 0
        for bound, count in zip(bounds, counts, strict=True):
            if count >= wanted and count > low:
                return None if bound == float("inf") else low_s + (bound - low_s) * (wanted - low) / (count - low)
            low_s, low = bound, count
        return None

    @property
    def too_much(self) -> str | None:
        """Which bound is exceeded: ``lag``, ``ttft``; ``None`` if the cameras are carried."""
        lag_s = self.lag_s(99)
        if lag_s is None or lag_s > self.plan.max_lag_s:
            return "lag"
        if self.refused or not self.ttft_s or percentile(self.ttft_s, 95) > self.plan.max_ttft_s:
            return "ttft"
        return None

    def shares(self) -> dict[str, float | None]:
        """How much of the time each part was busy.

        ``decode`` is the ingest worker's thread, which reads, decodes and sends; ``vision``, ``decoder`` (with
        compactions) and ``answers`` divide the engine's thread; ``broker`` and ``cameras`` (the load itself) are shares
        of all cores; ``cores`` counts whatever runs on this machine. ``network`` is of the fastest link whose speed is
        known, and ``None`` where none is, as on one machine.
        """
        cores = psutil.cpu_count() or 1
        vision = self._per_s(lambda r: r.vision_s)
        return {
            "decode": self._per_s(lambda r: r.ingest_thread_s),
            "vision": vision,
            "decoder": self._per_s(lambda r: r.frames_s) - vision,
            "answers": self._per_s(lambda r: r.answers_s),
            "network": _of_link(self._per_s(lambda r: r.link_bytes)),
            "broker": self._per_s(lambda r: r.cpu_s.get("broker", 0.0)) / cores,
            "cameras": self._per_s(lambda r: r.cpu_s["cameras"]) / cores,
            "cores": self._per_s(lambda r: r.busy_s) / cores,
        }

    def full(self) -> str:
        """Which part was full, in words; of the engine's thread and of the cores also what took most of it."""
        shares = {name: share or 0.0 for name, share in self.shares().items()}
        engine = {name: shares[name] for name in ("vision", "decoder", "answers")}
        if sum(engine.values()) > _FULL:
            return max(engine, key=engine.__getitem__)
        part = max(("decode", "network", "broker"), key=shares.__getitem__)
        if shares[part] > _FULL:
            return part
        if shares["cores"] > _FULL:
            by_kind = self.cpu_ms_per_frame()
            return f"cores: {max(by_kind, key=by_kind.__getitem__)}" if by_kind else "cores"
        return "none"

    def cpu_ms_per_frame(self) -> dict[str, float]:
        """Processor time by kind of process for each frame, milliseconds; empty without frames."""
        if not self.frames:
            return {}
        return {
            kind: (after_s - self.before.cpu_s.get(kind, 0.0)) * 1000 / self.frames
            for kind, after_s in self.after.cpu_s.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "unchanged": self.unchanged,
            "cameras": self.cameras,
            "carried": self.too_much is None,
            "too_much": self.too_much,
            "full": self.full(),
            "seconds": self.seconds,
            "frames": self.frames,
            "frames_per_s": self.frames / self.seconds,
            "encoded_share": self.encoded_share,
            "overdue": self.overdue,
            "late_camera_s": self.late_camera_s,
            "lag_p50_s": self.lag_s(50),
            "lag_p99_s": self.lag_s(99),
            "ttft_p50_s": percentile(self.ttft_s, 50) if self.ttft_s else None,
            "ttft_p95_s": percentile(self.ttft_s, 95) if self.ttft_s else None,
            "questions": len(self.ttft_s),
            "refused": dict(self.refused),
            "sent_mb_per_s": self._per_s(lambda r: r.sent_bytes) / 1e6,
            "shares": self.shares(),
            "cpu_ms_per_frame": self.cpu_ms_per_frame(),
        }

    def _per_s(self, read: Callable[[Reading], float]) -> float:
        return (read(self.after) - read(self.before)) / self.seconds


def _of_link(bytes_per_s: float) -> float | None:
    speeds = [link.speed for name, link in psutil.net_if_stats().items() if link.isup and name != LOOPBACK]
    fastest_mbit = max(speeds, default=0)
    return bytes_per_s * 8 / (fastest_mbit * 1e6) if fastest_mbit else None

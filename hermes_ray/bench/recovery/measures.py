"""What is read off around one fault."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hermes_ray.bench.recovery.fault import Fault
from hermes_ray.bench.recovery.plan import Kind
from hermes_ray.bench.recovery.timeline import (
    Arrivals,
    Reply,
    answered_again_s,
    excess_frames,
    lost_and_twice,
    sent_between,
)
from hermes_ray.bench.statistics import median

STEPS: Mapping[Kind, tuple[str, ...]] = {
    Kind.MEMORY: ("taken-over", "restored", "live"),
    Kind.MEMORY_WAITS: ("process", "constructed", "loaded", "restored", "live"),
    Kind.INGEST: ("process", "constructed", "assigned", "live"),
    Kind.COORDINATOR: ("process", "constructed", "knows-all"),
}
"""What follows a kill, in order."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One fault and what was read off around it; durations in seconds.

    Attributes:
        recovery_s: by affected stream. Of a kill: from the kill until the first frame taken after it could be asked
            about. Of a move: the longest time from capture to askable of the frames taken during it.
        ordinary_s: the same at the beginning of the quiet time before, when nothing happened.
        answered_s: by stream that was on a memory worker, from the fault to the first token of the first answer behind
            the last refusal before it was over.
        refused: questions to these streams that were refused.
        refused_others: questions to all other streams that were refused.
        ttft_before_s: of the questions to the other streams, in the quiet time.
        ttft_during_s: of those sent from the fault until it was over.
        lost: frames missing behind the fault that were not missing before it.
        twice: frames applied twice.
        steps_s: how long each step behind the kill took.
    """

    fault: Fault
    recovery_s: Mapping[str, float]
    ordinary_s: Mapping[str, float]
    answered_s: Mapping[str, float]
    refused: int
    refused_others: int
    ttft_before_s: Sequence[float]
    ttft_during_s: Sequence[float]
    lost: int
    twice: int
    steps_s: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, times in seconds to the millisecond."""
        fault = self.fault
        return {
            "kind": fault.kind.value,
            "victim": fault.victim,
            "over_s": round(fault.over_s - fault.at_s, 3),
            "recovery_s": _rounded(self.recovery_s),
            "ordinary_s": _rounded(self.ordinary_s),
            "answered_s": _rounded(self.answered_s),
            "waiting_s": _rounded({s: reply.took_s for s, reply in fault.waiting.items() if reply.problem is None}),
            "refused": self.refused,
            "refused_others": self.refused_others,
            "ttft_before_s": [round(value, 4) for value in self.ttft_before_s],
            "ttft_during_s": [round(value, 4) for value in self.ttft_during_s],
            "frames_lost": self.lost,
            "frames_twice": self.twice,
            "frames_replayed": dict(fault.replayed),
            "snapshot_age_s": _rounded({s: age for s, age in fault.snapshot_ages_s.items() if age is not None}),
            "steps_s": _rounded(self.steps_s),
        }


def measure(
    fault: Fault, arrivals: Mapping[str, Arrivals], replies: Mapping[str, Sequence[Reply]], until_s: float
) -> Measured:
    """Read everything off.

    Args:
        fault: what happened.
        arrivals: by stream, when frames could be asked about.
        replies: by stream, what became of its questions.
        until_s: when the system had been seen at rest again: answers up to then tell whether frames are missing.
    """
    on_worker = fault.snapshot_ages_s.keys()
    during = {stream: sent_between(replies[stream], fault.at_s, fault.over_s) for stream in arrivals}
    before = {stream: sent_between(replies[stream], fault.quiet_s, fault.at_s) for stream in arrivals}
    answered = {stream: _answered_s(fault, replies[stream], until_s) for stream in on_worker}
    changes = [
        lost_and_twice(
            excess_frames(seen.grid, sent_between(replies[stream], 0.0, fault.at_s)),
            excess_frames(seen.grid, sent_between(replies[stream], fault.at_s, until_s)),
        )
        for stream, seen in arrivals.items()
    ]
    recovery = {stream: _recovery_s(fault, arrivals[stream]) for stream in fault.affected}
    return Measured(
        fault=fault,
        recovery_s=recovery,
        ordinary_s={stream: _ordinary_s(fault, arrivals[stream]) for stream in fault.affected},
        answered_s={stream: at_s for stream, at_s in answered.items() if at_s is not None},
        refused=sum(_refusals(during[stream]) for stream in on_worker),
        refused_others=sum(_refusals(during[stream]) for stream in fault.others),
        ttft_before_s=_ttfts(before, fault.others),
        ttft_during_s=_ttfts(during, fault.others),
        lost=sum(lost for lost, _ in changes),
        twice=sum(twice for _, twice in changes),
        steps_s=_steps_s(fault, recovery),
    )


def _answered_s(fault: Fault, replies: Sequence[Reply], until_s: float) -> float | None:
    # A stream that was taken over is refused once more when it returns, which is a move and no part of the recovery.
    of_the_fault = [reply for reply in replies if reply.problem is None or reply.sent_s < fault.over_s]
    return answered_again_s(of_the_fault, fault.at_s, until_s)


def _recovery_s(fault: Fault, seen: Arrivals) -> float:
    taken = seen.back_s(fault.at_s) if fault.kind.is_kill else seen.longest_lag_s(fault.at_s, fault.over_s)
    assert taken is not None, "a fault is over when every stream is live"
    return taken


def _ordinary_s(fault: Fault, seen: Arrivals) -> float:
    taken = seen.back_s(fault.quiet_s) if fault.kind.is_kill else seen.longest_lag_s(fault.quiet_s, fault.at_s)
    assert taken is not None, "frames of the quiet time came before the fault was over"
    return taken


def _steps_s(fault: Fault, recovery_s: Mapping[str, float]) -> dict[str, float]:
    """How long each step took, the last one by the stream that was back in the middle."""
    if not fault.restart_s:
        return {}
    moments = dict(fault.restart_s)
    if "knows-all" not in moments:
        moments["live"] = fault.at_s + median(list(recovery_s.values()))
    steps, since_s = {}, fault.at_s
    for step in STEPS[fault.kind]:
        # A process that Ray had in store was there before the kill.
        steps[step] = max(0.0, moments[step] - since_s)
        since_s = max(since_s, moments[step])
    return steps


def _ttfts(replies: Mapping[str, Sequence[Reply]], streams: Sequence[str]) -> list[float]:
    return [reply.took_s for stream in streams for reply in replies[stream] if reply.problem is None]


def _refusals(replies: Sequence[Reply]) -> int:
    return sum(reply.problem is not None for reply in replies)


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}

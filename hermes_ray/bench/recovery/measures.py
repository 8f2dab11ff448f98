"""From what was seen around all blows of one kind to the figures that are quoted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hermes_ray.bench.figures import Bar, Figure
from hermes_ray.bench.recovery.blow import Blow
from hermes_ray.bench.recovery.plan import Kind
from hermes_ray.bench.recovery.timeline import (
    Arrivals,
    Reply,
    answered_again_s,
    excess_frames,
    lost_and_twice,
    sent_between,
)
from hermes_ray.bench.statistics import median, percentile

_NONE_AT_ALL = Bar(0, at_most=True)

STEPS: Mapping[str, tuple[str, ...]] = {
    "memory": ("process", "constructed", "loaded", "restored", "live"),
    "ingest": ("process", "constructed", "assigned", "live"),
    "coordinator": ("process", "constructed", "knows-all"),
}
"""What a victim's successor goes through, in order, by the first part of its name."""

STEP_NOTES: Mapping[str, str] = {
    "process": "Ray notices the death and has a new process",
    "constructed": "Python, Ray's worker and our modules start in it",
    "loaded": "libraries and model are loaded",
    "restored": "the Coordinator admits the worker, snapshots are restored",
    "assigned": "the Coordinator gives it partitions",
    "knows-all": "every worker has told what it holds",
    "live": "ingest finds the new state and replays, the first new frame is in its memory",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One blow and what was read off around it; durations in seconds.

    Attributes:
        recovery_s: by stream that was hit. Of a kill: from the kill until the first frame taken after it could be asked
            about. Of a move: the longest time from capture to askable of the frames taken during it.
        ordinary_s: the same at the beginning of the quiet time before, when nothing happened.
        answered_s: by stream that was on a memory worker, from the blow to the first token of the first answer behind
            the last refusal.
        refused: questions to these streams that were refused.
        refused_others: questions to all other streams that were refused.
        ttft_before_s: of the questions to the other streams, in the quiet time.
        ttft_during_s: of those sent from the blow until it was over.
        lost: frames missing behind the blow that were not missing before it.
        twice: frames applied twice.
        steps_s: how long the victim's successor took for each of its steps.
    """

    blow: Blow
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
        blow = self.blow
        return {
            "kind": blow.kind.value,
            "victim": blow.victim,
            "over_s": round(blow.over_s - blow.at_s, 3),
            "recovery_s": _rounded(self.recovery_s),
            "ordinary_s": _rounded(self.ordinary_s),
            "answered_s": _rounded(self.answered_s),
            "patient_s": _rounded({s: reply.took_s for s, reply in blow.patient.items() if reply.problem is None}),
            "refused": self.refused,
            "refused_others": self.refused_others,
            "ttft_before_s": [round(value, 4) for value in self.ttft_before_s],
            "ttft_during_s": [round(value, 4) for value in self.ttft_during_s],
            "frames_lost": self.lost,
            "frames_twice": self.twice,
            "frames_replayed": dict(blow.replayed),
            "snapshot_age_s": _rounded({s: age for s, age in blow.snapshot_ages_s.items() if age is not None}),
            "steps_s": _rounded(self.steps_s),
        }


def measure(
    blow: Blow, arrivals: Mapping[str, Arrivals], replies: Mapping[str, Sequence[Reply]], until_s: float
) -> Measured:
    """Read everything off.

    Args:
        blow: what happened.
        arrivals: by stream, when frames could be asked about.
        replies: by stream, what became of its questions.
        until_s: when the system had been seen at rest again: answers up to then tell whether frames are missing.
    """
    on_worker = blow.snapshot_ages_s.keys()
    during = {stream: sent_between(replies[stream], blow.at_s, blow.over_s) for stream in arrivals}
    before = {stream: sent_between(replies[stream], blow.quiet_s, blow.at_s) for stream in arrivals}
    answered = {stream: answered_again_s(replies[stream], blow.at_s, until_s) for stream in on_worker}
    changes = [
        lost_and_twice(
            excess_frames(seen.grid, sent_between(replies[stream], 0.0, blow.at_s)),
            excess_frames(seen.grid, sent_between(replies[stream], blow.at_s, until_s)),
        )
        for stream, seen in arrivals.items()
    ]
    recovery = {stream: _recovery_s(blow, arrivals[stream]) for stream in blow.hit}
    return Measured(
        blow=blow,
        recovery_s=recovery,
        ordinary_s={stream: _ordinary_s(blow, arrivals[stream]) for stream in blow.hit},
        answered_s={stream: at_s for stream, at_s in answered.items() if at_s is not None},
        refused=sum(_refusals(during[stream]) for stream in on_worker),
        refused_others=sum(_refusals(during[stream]) for stream in blow.others),
        ttft_before_s=_ttfts(before, blow.others),
        ttft_during_s=_ttfts(during, blow.others),
        lost=sum(lost for lost, _ in changes),
        twice=sum(twice for _, twice in changes),
        steps_s=_steps_s(blow, recovery),
    )


def figures(kind: Kind, measured: Sequence[Measured]) -> Iterator[Figure]:
    """The figures of all blows of one kind."""
    yield _recovery(kind, measured)
    if any(each.answered_s for each in measured):
        yield _answered(kind, measured)
    yield from _ttft(kind, measured)
    yield from _steps(kind, measured)
    if kind is Kind.MEMORY:
        yield _replayed(kind, measured)
    note = "every frame has a capture time of its own; each answer's frames_seen is held against it"
    for name, count in (
        ("frames_lost", sum(each.lost for each in measured)),
        ("frames_applied_twice", sum(each.twice for each in measured)),
    ):
        yield Figure(name, kind, count, "frames", _NONE_AT_ALL, {"blows": len(measured)}, note)


def _recovery(kind: Kind, measured: Sequence[Measured]) -> Figure:
    taken = _all(each.recovery_s for each in measured)
    ordinary = _all(each.ordinary_s for each in measured)
    return Figure(
        "recovery" if kind.is_kill else "standstill",
        kind,
        median(taken),
        "s",
        detail={
            "p95_s": percentile(taken, 95),
            "max_s": max(taken),
            "ordinary_median_s": median(ordinary),
            "ordinary_p95_s": percentile(ordinary, 95),
            "over_ordinary": median(taken) / median(ordinary),
            "blows": len(measured),
            "streams": len(taken),
        },
        note="until the first frame taken after the kill can be asked about; ordinary: at a moment without one"
        if kind.is_kill
        else "longest lag from capture to askable of the frames taken during the move; ordinary: without one",
    )


def _answered(kind: Kind, measured: Sequence[Measured]) -> Figure:
    again = _all(each.answered_s for each in measured)
    patient = [reply.took_s for each in measured for reply in each.blow.patient.values() if reply.problem is None]
    return Figure(
        "answered_again",
        kind,
        median(again),
        "s",
        detail={
            "p95_s": percentile(again, 95),
            "max_s": max(again),
            "waiting_median_s": median(patient),
            "waiting_max_s": max(patient),
            "refused_per_blow": median([each.refused for each in measured]),
            "waited": len(patient),
        },
        note="first token behind the last refusal; waiting: a question sent at the blow with timeout_s",
    )


def _ttft(kind: Kind, measured: Sequence[Measured]) -> Iterator[Figure]:
    before = [value * 1000 for each in measured for value in each.ttft_before_s]
    during = [value * 1000 for each in measured for value in each.ttft_during_s]
    if not before or not during:  # no other streams, or all over before a question was due
        return
    for name, percent in (("p50", 50), ("p99", 99)):
        was, is_ = percentile(before, percent), percentile(during, percent)
        yield Figure(
            f"ttft_elsewhere_{name}_over_before",
            kind,
            is_ / was,
            "x",
            detail={
                "during_ms": is_,
                "before_ms": was,
                "questions_during": len(during),
                "questions_before": len(before),
                "refused": sum(each.refused_others for each in measured),
            },
            note="over HTTP, of streams whose memory worker was left alone",
        )


def _steps(kind: Kind, measured: Sequence[Measured]) -> Iterator[Figure]:
    for step in STEPS[measured[0].blow.victim.partition("-")[0]] if kind.is_kill else ():
        taken = [each.steps_s[step] for each in measured if step in each.steps_s]
        detail = {"p95_s": percentile(taken, 95), "max_s": max(taken)}
        yield Figure(f"step_{step.replace('-', '_')}", kind, median(taken), "s", None, detail, STEP_NOTES[step])


def _replayed(kind: Kind, measured: Sequence[Measured]) -> Figure:
    frames = _all(each.blow.replayed for each in measured)
    ages = [age for each in measured for age in each.blow.snapshot_ages_s.values() if age is not None]
    return Figure(
        "frames_replayed",
        kind,
        median(frames),
        "frames",
        detail={
            "max": max(frames),
            "snapshot_age_median_s": median(ages) if ages else None,
            "snapshot_age_max_s": max(ages, default=None),
            "without_snapshot": len(frames) - len(ages),
        },
        note="per stream: in the memory at the kill and not in the snapshot that came back",
    )


def _recovery_s(blow: Blow, seen: Arrivals) -> float:
    taken = seen.back_s(blow.at_s) if blow.kind.is_kill else seen.longest_lag_s(blow.at_s, blow.over_s)
    assert taken is not None, "a blow is over when every stream is live"
    return taken


def _ordinary_s(blow: Blow, seen: Arrivals) -> float:
    taken = seen.back_s(blow.quiet_s) if blow.kind.is_kill else seen.longest_lag_s(blow.quiet_s, blow.at_s)
    assert taken is not None, "frames of the quiet time came before the blow was over"
    return taken


def _steps_s(blow: Blow, recovery_s: Mapping[str, float]) -> dict[str, float]:
    """How long each step took, the last one by the stream that was back in the middle."""
    if not blow.restart_s:
        return {}
    moments = dict(blow.restart_s)
    if "knows-all" not in moments:
        moments["live"] = blow.at_s + median(list(recovery_s.values()))
    steps, since_s = {}, blow.at_s
    for step in STEPS[blow.victim.partition("-")[0]]:
        # A process that Ray had in store was there before the kill.
        steps[step] = max(0.0, moments[step] - since_s)
        since_s = max(since_s, moments[step])
    return steps


def _ttfts(replies: Mapping[str, Sequence[Reply]], streams: Sequence[str]) -> list[float]:
    return [reply.took_s for stream in streams for reply in replies[stream] if reply.problem is None]


def _refusals(replies: Sequence[Reply]) -> int:
    return sum(reply.problem is not None for reply in replies)


def _all(by_stream: Iterator[Mapping[str, Any]]) -> list[Any]:
    return [value for values in by_stream for value in values.values()]


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}

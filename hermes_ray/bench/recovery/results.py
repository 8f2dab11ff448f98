"""From all faults of one kind to the figures that are quoted."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hermes_ray.bench.figures import Bar, Figure
from hermes_ray.bench.recovery.measures import STEPS, Measured
from hermes_ray.bench.recovery.plan import Kind
from hermes_ray.bench.statistics import median, percentile

_NONE_AT_ALL = Bar(0, at_most=True)
_TAKEN_OVER = Bar(3.0, at_most=True)
_TAKEN_OVER_P95 = Bar(5.0, at_most=True)
"""Seconds, on two cores of which nobody else has any."""

_STEP_NOTES: Mapping[str, str] = {
    "taken-over": "the Coordinator notices the death and names another owner",
    "process": "Ray notices the death and has a new process",
    "constructed": "Python, Ray's worker and our modules start in it",
    "loaded": "libraries and model are loaded",
    "restored": "the owner is told, snapshots are restored",
    "assigned": "the Coordinator gives it partitions",
    "knows-all": "every worker has told what it holds",
    "live": "ingest finds the new state and replays, the first new frame is in its memory",
}


def figures(kind: Kind, measured: Sequence[Measured]) -> Iterator[Figure]:
    """The figures of all faults of one kind."""
    yield from _recovery(kind, measured)
    if any(each.answered_s for each in measured):
        yield _answered(kind, measured)
    yield from _ttft(kind, measured)
    yield from _steps(kind, measured)
    if kind in (Kind.MEMORY, Kind.MEMORY_WAITS):
        yield _replayed(kind, measured)
    note = "every frame has a capture time of its own; each answer's frames_seen is held against it"
    for name, count in (
        ("frames_lost", sum(each.lost for each in measured)),
        ("frames_applied_twice", sum(each.twice for each in measured)),
    ):
        yield Figure(name, kind, count, "frames", _NONE_AT_ALL, {"faults": len(measured)}, note)


def _recovery(kind: Kind, measured: Sequence[Measured]) -> Iterator[Figure]:
    taken = _all(each.recovery_s for each in measured)
    ordinary = _all(each.ordinary_s for each in measured)
    yield Figure(
        "recovery" if kind.is_kill else "standstill",
        kind,
        median(taken),
        "s",
        _TAKEN_OVER if kind is Kind.MEMORY else None,
        {
            "p95_s": percentile(taken, 95),
            "ordinary_median_s": median(ordinary),
            "max_s": max(taken),
            "ordinary_p95_s": percentile(ordinary, 95),
            "over_ordinary": median(taken) / median(ordinary),
            "faults": len(measured),
            "streams": len(taken),
        },
        note="until the first frame taken after the kill can be asked about; ordinary: at a moment without one"
        if kind.is_kill
        else "longest lag from capture to askable of the frames taken during the move; ordinary: without one",
    )
    if kind is Kind.MEMORY:
        note = "the same, of one stream in twenty"
        yield Figure("recovery_p95", kind, percentile(taken, 95), "s", _TAKEN_OVER_P95, {"streams": len(taken)}, note)


def _answered(kind: Kind, measured: Sequence[Measured]) -> Figure:
    again = _all(each.answered_s for each in measured)
    waited = [reply.took_s for each in measured for reply in each.fault.waiting.values() if reply.problem is None]
    return Figure(
        "answered_again",
        kind,
        median(again),
        "s",
        detail={
            "p95_s": percentile(again, 95),
            "refused_per_fault": median([each.refused for each in measured]),
            "max_s": max(again),
            "waiting_median_s": median(waited),
            "waiting_max_s": max(waited),
            "waited": len(waited),
        },
        note="first token behind the last refusal; waiting: a question sent at the fault with timeout_s",
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
    for step in STEPS[kind] if kind.is_kill else ():
        taken = [each.steps_s[step] for each in measured if step in each.steps_s]
        detail = {"p95_s": percentile(taken, 95), "max_s": max(taken)}
        yield Figure(f"step_{step.replace('-', '_')}", kind, median(taken), "s", None, detail, _STEP_NOTES[step])


def _replayed(kind: Kind, measured: Sequence[Measured]) -> Figure:
    frames = _all(each.fault.replayed for each in measured)
    ages = [age for each in measured for age in each.fault.snapshot_ages_s.values() if age is not None]
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
        note="per stream: seen by answers before the kill and not in the snapshot that came back",
    )


def _all(by_stream: Iterator[Mapping[str, Any]]) -> list[Any]:
    return [value for values in by_stream for value in values.values()]

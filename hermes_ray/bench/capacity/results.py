"""From the levels to the figures."""

from collections.abc import Iterator, Sequence

from hermes_ray.bench.capacity.level import Level
from hermes_ray.bench.capacity.plan import Plan
from hermes_ray.bench.capacity.search import most_carried
from hermes_ray.bench.figures import Bar, Figure

_QUIET = 0.9
_SEVERAL_TIMES = Bar(4, at_most=False)


def figures(plan: Plan, levels: Sequence[Level]) -> Iterator[Figure]:
    """The figures of one run."""
    found: dict[str, int] = {}
    for unchanged in plan.unchanged:
        own = [level for level in levels if level.unchanged == unchanged]
        carried = {level.cameras: level.too_much is None for level in own}  # the last try counts
        found[unchanged] = cameras = most_carried(carried)
        beyond = min((level for level in own if level.cameras > cameras), key=lambda level: level.cameras, default=None)
        yield Figure(
            "cameras",
            unchanged,
            cameras,
            "cameras",
            detail={
                "too_many": None if beyond is None else beyond.cameras,
                "too_much": None if beyond is None else beyond.too_much,
                "full": None if beyond is None else beyond.full(),
            },
            note="the most that were carried; full is the part that was, with too many",
        )
        if (cpu_ms := _cpu_ms(own)) is not None:
            yield Figure(
                "cpu_per_frame",
                unchanged,
                cpu_ms,
                "ms",
                detail={"levels": len(own)},
                note="processor time of the system and its broker, without the cameras, at the fullest level carried",
            )
    if found.get("keep") and "skip" in found:
        yield Figure(
            "cameras_skip_over_keep",
            "both",
            found["skip"] / found["keep"],
            "x",
            _SEVERAL_TIMES if plan.quiet >= _QUIET else None,
            {"keep": found["keep"], "skip": found["skip"]},
            "the same footage, one system after the other",
        )


def _cpu_ms(levels: Sequence[Level]) -> float | None:
    carried = [level for level in levels if level.too_much is None]
    if not carried:
        return None
    by_kind = max(carried, key=lambda level: level.cameras).cpu_ms_per_frame()
    return sum(cpu_ms for kind, cpu_ms in by_kind.items() if kind != "cameras")

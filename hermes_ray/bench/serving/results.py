"""From the levels of load to the figures that have a bar."""

from collections.abc import Iterator, Sequence

from hermes_ray.bench.figures import Bar, Figure
from hermes_ray.bench.serving.level import Level
from hermes_ray.bench.serving.plan import Plan

_SCALES = Bar(3, at_most=False)
_NEAR_THE_ENGINE = Bar(0.7, at_most=False)
_BEHIND_THE_ENGINE = Bar(5, at_most=True)
_NONE_AT_ALL = Bar(0, at_most=True)


def figures(plan: Plan, levels: Sequence[Level]) -> Iterator[Figure]:
    """The figures of one run."""
    by_load = {(level.way, level.askers): level for level in levels}
    few, many = min(plan.engine_askers), max(plan.engine_askers)
    for way in ("json", "sse"):
        lone, crowd, engine = by_load[way, few], by_load[way, many], by_load["engine", many]
        detail = {f"at_{few}_per_s": lone.answers_per_s, f"at_{many}_per_s": crowd.answers_per_s}
        if few < many:
            yield Figure(
                f"answers_at_{many}_over_{few}", way, _ratio(crowd, lone), "x", _SCALES, detail, "answers per second"
            )
        yield Figure(
            f"answers_over_engine_at_{many}",
            way,
            _ratio(crowd, engine),
            "x",
            _NEAR_THE_ENGINE,
            {"http_per_s": crowd.answers_per_s, "engine_per_s": engine.answers_per_s},
            "answers per second over those of an engine alone, asked by as many in the same run",
        )
        if (behind_ms := lone.behind_engine_ms) is not None:
            yield Figure(
                "first_token_behind_engine",
                way,
                behind_ms,
                "ms",
                _BEHIND_THE_ENGINE,
                {"askers": few, "answers": lone.outcomes.answered},
                "median over answers of what the asker waited, less the engine's own time to first token",
            )
        yield _amiss(way, [level for level in levels if level.way == way])


def _ratio(one: Level, other: Level) -> float:
    return one.answers_per_s / other.answers_per_s if other.outcomes.answered else 0.0


def _amiss(way: str, levels: Sequence[Level]) -> Figure:
    amiss = {level.askers: sum((level.outcomes.failed + level.outcomes.dropped).values()) for level in levels}
    return Figure(
        "neither_answered_nor_refused",
        way,
        sum(amiss.values()),
        "questions",
        _NONE_AT_ALL,
        {
            "by_askers": {str(askers): count for askers, count in amiss.items()},
            "refused": sum(level.outcomes.refused.total() for level in levels),
        },
        "broken connections, plain text, problems that do not say when to come back",
    )

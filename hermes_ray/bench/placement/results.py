"""From what happened in the simulation to figures."""

from collections.abc import Iterator, Sequence
from statistics import mean

from hermes_ray.bench.figures import Bar, Figure
from hermes_ray.bench.placement.plan import Plan
from hermes_ray.bench.placement.simulation import Phase

_AS_EVEN_AS_CAN_BE = Bar(1, at_most=True)
_NONE = Bar(0, at_most=True)
_HOUR_S = 3600.0
_MIB_PER_GIB = 1024


def figures(
    plan: Plan,
    filled: Phase,
    kills: Sequence[Phase],
    upgraded: Phase,
    grown: Phase,
    placement_us: tuple[float, float],
    decision_us: tuple[float, float],
) -> Iterator[Figure]:
    """The figures of one run.

    Args:
        plan: what was simulated.
        filled: all streams began.
        kills: a worker each.
        upgraded: a rolling upgrade.
        grown: workers were added.
        placement_us: processor time of placing one stream, median and 99th percentile, µs.
        decision_us: the same of deciding on a move.
    """
    yield _unevenness("placement", filled)
    yield Figure(
        "place_one_stream",
        "placement",
        placement_us[0],
        "us",
        detail={"p99_us": placement_us[1]},
        note="processor time of the Coordinator",
    )
    yield from _of_kills(plan, kills)
    yield from _of_the_upgrade(plan, upgraded)
    yield Figure(
        "decide_on_a_move",
        "rolling upgrade",
        decision_us[0],
        "us",
        detail={"p99_us": decision_us[1]},
        note="processor time of the Coordinator, over the whole run",
    )
    yield Figure(
        "even_again_after",
        "growth",
        grown.seconds,
        "s",
        detail={"workers_added": plan.added, "moves": grown.moves, "most_moves_of_a_stream": grown.most_per_stream},
    )
    yield _unevenness("growth", grown)


def _of_kills(plan: Plan, kills: Sequence[Phase]) -> Iterator[Figure]:
    model = "a worker is killed"
    taken_over = mean(kill.taken_over for kill in kills)
    read_mib = taken_over * plan.snapshot_mib
    yield Figure("streams_taken_over", model, taken_over, "streams", detail={"kills": len(kills)}, note="a kill, mean")
    yield Figure(
        "streams_left_waiting",
        model,
        max(kill.left_waiting for kill in kills),
        "streams",
        _NONE,
        note="nobody had room: they wait for the worker's next process",
    )
    yield Figure(
        "snapshots_read_by_one_worker",
        model,
        max(kill.most_restored for kill in kills),
        "snapshots",
        note="at once, by the worker with most of them",
    )
    yield Figure(
        "read_from_the_store",
        model,
        read_mib / _MIB_PER_GIB,
        "GiB",
        detail={"gib_per_s_for_3_s": read_mib / _MIB_PER_GIB / 3},
        note="a kill, mean; and the rate at which all of them are read in 3 s",
    )
    yield Figure(
        "moved_back_to_the_new_process",
        model,
        mean(kill.moves for kill in kills),
        "moves",
        detail={"even_again_after_s": mean(kill.seconds for kill in kills)},
        note="a kill, mean",
    )
    yield _unevenness(model, kills[-1])


def _of_the_upgrade(plan: Plan, upgraded: Phase) -> Iterator[Figure]:
    model = "rolling upgrade"
    yield Figure(
        "takes",
        model,
        upgraded.seconds / _HOUR_S,
        "h",
        detail={"restarts_alone_h": plan.workers * plan.restart_s / _HOUR_S},
        note="one worker at a time",
    )
    yield Figure(
        "moves_of_a_stream",
        model,
        upgraded.moves / plan.streams,
        "moves",
        detail={"most": upgraded.most_per_stream, "all": upgraded.moves},
        note="mean",
    )
    yield Figure(
        "a_stream_stands_still",
        model,
        upgraded.moves * plan.move_s / plan.streams,
        "s",
        detail={"most_s": upgraded.most_per_stream * plan.move_s},
        note="mean, of the whole upgrade",
    )
    yield Figure("streams_left_waiting", model, upgraded.left_waiting, "streams", _NONE)
    yield _unevenness(model, upgraded)


def _unevenness(model: str, phase: Phase) -> Figure:
    fewest, most = min(phase.loads.values()), max(phase.loads.values())
    return Figure(
        "unevenness",
        model,
        most - fewest,
        "streams",
        _AS_EVEN_AS_CAN_BE,
        {"fewest": fewest, "most": most},
        "streams of the fullest worker less those of the emptiest, at rest",
    )

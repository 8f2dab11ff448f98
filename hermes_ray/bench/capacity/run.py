"""One system, and more and more cameras until it is too many of them."""

import time
from collections import Counter
from collections.abc import Callable, Iterator

from hermes_ray.bench.capacity.asker import Asker
from hermes_ray.bench.capacity.fleet import Fleet
from hermes_ray.bench.capacity.level import Level
from hermes_ray.bench.capacity.plan import Plan, Unchanged
from hermes_ray.bench.capacity.reading import Reading, read
from hermes_ray.bench.capacity.search import next_cameras
from hermes_ray.config import Settings
from hermes_ray.errors import NotReady

SCHEMA = "hermes-bench-capacity/1"

_LOOK_S = 0.5
_HOPELESS = 3.0
"""So many times the bound on the lag, of frames that wait: no need to see the level to its end."""
_REST_LIMIT_S = 300.0


def levels(
    plan: Plan, unchanged: Unchanged, fleet: Fleet, settings: Settings, url: str, doing: Callable[[str], None]
) -> Iterator[Level]:
    """All levels of a system that runs there and that nobody else uses.

    Args:
        plan: of the run.
        unchanged: ``video.unchanged`` of that system.
        fleet: of cameras; none of them runs.
        settings: of the system.
        url: of its API.
        doing: told what comes next.

    Raises:
        NotReady: the system does not come to rest behind a level.
        HermesError: the cameras cannot publish.
    """
    asker = Asker(url, plan.question_every_s)
    fleet.start(settings.kafka)
    asker.start()
    try:
        doing(f"{unchanged}, running in")
        fleet.show(plan.first)
        asker.ask_about(plan.stream_ids()[: plan.first])
        time.sleep(plan.run_in_s)
        _rest(fleet, asker, url)
        carried: dict[int, bool] = {}
        while (cameras := next_cameras(carried, plan.first, plan.most)) is not None:
            for _ in range(plan.tries):
                doing(f"{unchanged}, {cameras} cameras")
                level = _measure(plan, unchanged, cameras, fleet, asker, url)
                yield level
                carried[cameras] = level.too_much is None
                if carried[cameras]:
                    break
                doing(f"{unchanged}, coming to rest")
                _rest(fleet, asker, url)
    finally:
        asker.close()
        fleet.stop()


def _measure(plan: Plan, unchanged: Unchanged, cameras: int, fleet: Fleet, asker: Asker, url: str) -> Level:
    fleet.show(cameras)
    fleet.late_s = 0.0
    _let(plan.warm_up_s, plan, fleet, url)
    asker.ask_about(plan.stream_ids()[:cameras])
    asker.replies()
    before = read(url, fleet.published)
    after = _let(plan.seconds, plan, fleet, url)
    replies = asker.replies()
    return Level(
        plan=plan,
        unchanged=unchanged,
        cameras=cameras,
        before=before,
        after=after,
        overdue=max(0, fleet.published_by(after.at_s - plan.max_lag_s) - after.applied),
        late_camera_s=fleet.late_s,
        ttft_s=[reply.took_s for reply in replies],
        refused=Counter(reply.problem for reply in replies if reply.problem is not None),
    )


def _let(seconds: float, plan: Plan, fleet: Fleet, url: str) -> Reading:
    """Let the system work for a while, and not longer than there is hope."""
    until_s = time.time() + seconds
    while True:
        fleet.check()
        now = read(url, fleet.published)
        hopeless = fleet.published_by(now.at_s - _HOPELESS * plan.max_lag_s) > now.applied
        if hopeless or now.at_s >= until_s:
            return now
        time.sleep(min(_LOOK_S, max(0.0, until_s - time.time())))


def _rest(fleet: Fleet, asker: Asker, url: str) -> None:
    asker.ask_about(())
    fleet.show(0)
    deadline_s = time.monotonic() + _REST_LIMIT_S
    while (waiting := fleet.published - read(url, fleet.published).applied) > 0:
        if time.monotonic() > deadline_s:
            raise NotReady(f"{waiting} frames still wait, {_REST_LIMIT_S:g} s after the last one was published")
        time.sleep(_LOOK_S)

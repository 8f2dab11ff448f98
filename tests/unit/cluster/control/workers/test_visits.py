"""Workers are visited in rounds, and one that takes long delays no other."""

import asyncio
from collections import Counter

import pytest

from hermes_ray.cluster.control.workers.visits import Visits
from hermes_ray.errors import ClusterError


class Workers:
    """Two workers; one of them may take its time."""

    def __init__(self) -> None:
        self.visited: Counter[str] = Counter()
        self.answers = asyncio.Event()
        self.answers.set()
        self.visits = {"quick": self._quick, "slow": self._slow}

    async def _quick(self) -> None:
        self.visited["quick"] += 1

    async def _slow(self) -> None:
        self.visited["slow"] += 1
        await self.answers.wait()


async def test_the_first_round_waits_for_all_and_later_ones_leave_the_slow_behind() -> None:
    workers, visits = Workers(), Visits(patience_s=0.01)
    workers.answers.clear()
    asyncio.get_running_loop().call_later(0.2, workers.answers.set)
    await visits.go_round(workers.visits)
    assert workers.answers.is_set()  # or a stream might be called unknown that the slow one has
    workers.answers.clear()
    for _ in range(5):
        await visits.go_round(workers.visits)
    assert workers.visited == {"quick": 6, "slow": 2}  # one at a time for each
    workers.answers.set()
    await visits.go_round(workers.visits)
    await visits.go_round(workers.visits)
    assert workers.visited["slow"] == 3


async def test_what_nobody_expected_of_a_visit_is_raised_in_a_later_round() -> None:
    async def defect() -> None:
        await workers.answers.wait()
        raise ClusterError("a defect")

    workers, visits = Workers(), Visits(patience_s=0.01)
    await visits.go_round(workers.visits)
    workers.answers.clear()
    await visits.go_round({"slow": defect})
    workers.answers.set()
    with pytest.raises(ClusterError):
        await visits.go_round({"quick": workers.visits["quick"]})


async def test_nobody_is_visited_after_the_end() -> None:
    workers, visits = Workers(), Visits(patience_s=0.01)
    await visits.go_round(workers.visits)
    workers.answers.clear()
    await visits.go_round(workers.visits)
    visits.stop()
    with pytest.raises(asyncio.CancelledError):
        await visits.go_round({})

"""An ingest worker may commit for as long as the Coordinator says, from when it was asked, and no longer."""

from hermes_ray.cluster.ingest.partitions.commit_permit import Answer, CommitPermit
from hermes_ray.errors import WorkerUnavailable


class Coordinator:
    """Answers the questions that it was asked when the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.says: float | None = None
        self.fails = False

    def ask(self) -> Answer:
        self.asked += 1
        return self._answer

    def _answer(self) -> float | None:
        if self.fails:
            raise WorkerUnavailable("gone")
        return self.says


class Clock:
    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def test_without_another_cluster_there_is_nobody_to_ask():
    permit = CommitPermit()
    permit.renew()
    assert permit.is_valid


def test_nothing_is_committed_before_the_first_answer_and_after_the_last_has_run_out():
    coordinator, now = Coordinator(), Clock(100.0)
    permit = CommitPermit(coordinator.ask, now)
    permit.renew()
    assert not permit.is_valid
    coordinator.says = 10.0
    permit.renew()
    assert permit.is_valid
    coordinator.fails = True
    for now.now_s in (105.0, 109.9):
        permit.renew()
        assert permit.is_valid
    now.now_s = 110.0
    permit.renew()
    assert not permit.is_valid


def test_an_answer_counts_from_the_question_however_late_it_comes():
    coordinator, now = Coordinator(), Clock(100.0)
    permit = CommitPermit(coordinator.ask, now)
    permit.renew()
    now.now_s = 160.0  # this process has hung
    coordinator.says = 48.0
    permit.renew()
    assert not permit.is_valid
    permit.renew()  # asks anew, and is answered at once
    assert permit.is_valid
    assert coordinator.asked == 2


def test_a_cluster_that_another_follows_takes_the_permit_back():
    coordinator, now = Coordinator(), Clock(100.0)
    permit = CommitPermit(coordinator.ask, now)
    coordinator.says = 48.0
    permit.renew()
    coordinator.says = 0.0
    permit.renew()
    assert not permit.is_valid

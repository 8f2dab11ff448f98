"""Clusters that share a store, each step of each by hand, and time by hand too."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hermes_ray.cluster.control.generations.generation_store import GenerationStore
from hermes_ray.cluster.control.generations.tenure import Tenure, Terms
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.errors import SnapshotError
from tests.unit.cluster.store.faulty_store import FaultyFileSystem, ForeignError, on

TERMS = Terms(commit_s=48.0, stale_after_s=70.0)
BEAT_S = 5.0


@dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Cluster:
    """A cluster as its Coordinator drives it."""

    url: str
    name: str
    clock: Clock
    can_serve: bool = True
    serves: bool = True
    tenure: Tenure = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Another process of its Coordinator: it knows nothing but the cluster's name."""
        self.tenure = Tenure(GenerationStore(self.url), self.name, TERMS, self.clock)

    def step(self, *, has_let_go: bool = True) -> TenurePhase:
        self.tenure.step(can_serve=self.can_serve, serves=self.serves, has_let_go=has_let_go)
        return self.tenure.phase


@pytest.fixture(params=["directory", "object store"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "store") if request.param == "directory" else f"memory://{tmp_path.name}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pass_time(clock: Clock, seconds: float, *alive: Cluster) -> None:
    """Let the clusters that are alive do their steps for so long."""
    until_s = clock.now_s + seconds
    while clock.now_s < until_s:
        clock.now_s += BEAT_S
        for cluster in alive:
            cluster.step()


def test_a_cluster_alone_holds_at_its_first_step_though_nothing_is_loaded_yet(url: str, clock: Clock) -> None:
    only = Cluster(url, "a", clock, can_serve=False, serves=False)
    assert only.tenure.commits_for_s() == 0
    assert only.step() is TenurePhase.HOLDING
    assert only.tenure.commits_for_s() == TERMS.commit_s


def test_the_next_cluster_waits_until_it_could_serve_and_the_first_goes_on_meanwhile(url: str, clock: Clock) -> None:
    first, second = Cluster(url, "a", clock), Cluster(url, "b", clock, can_serve=False)
    first.step()
    pass_time(clock, 600, first, second)
    assert (first.tenure.phase, second.tenure.phase) == (TenurePhase.HOLDING, TenurePhase.WAITING)
    assert "generation 1" in second.tenure.detail
    assert first.tenure.commits_for_s() > 0
    assert second.tenure.commits_for_s() == 0


def test_a_hand_over_step_by_step(url: str, clock: Clock) -> None:
    first, second = Cluster(url, "a", clock), Cluster(url, "b", clock, serves=False)
    first.step()
    assert second.step() is TenurePhase.CLAIMED
    assert first.step(has_let_go=False) is TenurePhase.HANDING_OVER
    assert first.tenure.commits_for_s() == 0
    for _ in range(30):  # last snapshots take long, and the one that writes them is alive
        clock.now_s += BEAT_S
        assert first.step(has_let_go=False) is TenurePhase.HANDING_OVER
        assert second.step() is TenurePhase.CLAIMED
    assert first.step() is TenurePhase.HANDED_OVER
    assert second.step() is TenurePhase.HOLDING
    assert first.step() is TenurePhase.HANDED_OVER  # it answers while the other restores
    second.serves = True
    second.step()
    assert first.step() is TenurePhase.OVER
    pass_time(clock, 600, first)  # the other is dead: no reason to come back
    assert first.tenure.phase is TenurePhase.OVER


def test_a_cluster_whose_owner_has_died_is_taken_over_once_its_signs_of_life_are_old(url: str, clock: Clock) -> None:
    first, second = Cluster(url, "a", clock), Cluster(url, "b", clock)
    first.step()
    second.step()
    pass_time(clock, TERMS.stale_after_s, second)
    assert second.tenure.phase is TenurePhase.CLAIMED
    pass_time(clock, BEAT_S, second)
    assert second.tenure.phase is TenurePhase.HOLDING


def test_a_cluster_that_is_not_ready_claims_too_once_nobody_else_lives(url: str, clock: Clock) -> None:
    first, second = Cluster(url, "a", clock), Cluster(url, "b", clock, can_serve=False)
    first.step()
    second.step()
    pass_time(clock, TERMS.stale_after_s + BEAT_S, second)
    assert second.tenure.phase is TenurePhase.HOLDING


def test_a_cluster_that_was_ended_in_order_is_not_waited_for(url: str, clock: Clock) -> None:
    first, second = Cluster(url, "a", clock), Cluster(url, "b", clock, can_serve=False)
    first.step()
    first.tenure.give_up()
    assert second.step() is TenurePhase.HOLDING
    assert first.tenure.phase is TenurePhase.OVER
    first.restart()
    assert first.step() is TenurePhase.OVER


def test_a_restarted_coordinator_goes_on_with_its_cluster_s_generation(url: str, clock: Clock) -> None:
    first, second = Cluster(url, "a", clock), Cluster(url, "b", clock, can_serve=False)
    first.step()
    first.restart()
    assert first.step() is TenurePhase.HOLDING
    assert first.tenure.generation == 1
    second.can_serve = True
    second.step()
    pass_time(clock, TERMS.stale_after_s + BEAT_S, second)  # the first one hangs
    assert second.tenure.phase is TenurePhase.HOLDING
    second.restart()
    assert second.step() is TenurePhase.HOLDING  # and does not begin to wait for the first one again


def test_a_coordinator_that_restarts_while_it_waits_waits_on(url: str, clock: Clock) -> None:
    first, second = Cluster(url, "a", clock), Cluster(url, "b", clock)
    first.step()
    second.step()
    second.restart()
    assert second.step() is TenurePhase.CLAIMED
    assert second.tenure.generation == 2


@pytest.mark.parametrize("at", [TenurePhase.HANDING_OVER, TenurePhase.HANDED_OVER, TenurePhase.OVER])
def test_a_cluster_that_another_has_followed_never_comes_back(url: str, clock: Clock, at: TenurePhase) -> None:
    first, second = Cluster(url, "a", clock), Cluster(url, "b", clock, serves=at is TenurePhase.OVER)
    first.step()
    second.step()
    first.step(has_let_go=False)
    if at is not TenurePhase.HANDING_OVER:
        first.step()
        second.step()
        first.step()
    assert first.tenure.phase is at
    first.restart()
    for _ in range(40):
        clock.now_s += BEAT_S
        assert first.step().has_let_go
    if at is not TenurePhase.OVER:
        assert "no sign of life" in first.tenure.detail


def test_of_two_that_claim_at_once_one_has_the_generation_and_the_other_follows(url: str, clock: Clock) -> None:
    stores = [GenerationStore(url), GenerationStore(url)]
    assert [store.claim(1, name) for store, name in zip(stores, "ab", strict=True)] == [True, False]
    assert stores[1].look().claims == {1: "a"}


def test_a_third_cluster_waits_for_the_first_though_the_second_has_let_go(url: str, clock: Clock) -> None:
    first, second, third = (Cluster(url, name, clock) for name in "abc")
    first.step()
    second.step()
    third.step()
    second.step(has_let_go=False)
    assert second.step() is TenurePhase.HANDED_OVER
    assert third.step() is TenurePhase.CLAIMED
    first.step()
    first.step()
    assert third.step() is TenurePhase.HOLDING


def test_a_claim_whose_writer_was_killed_just_then_ends_with_time(tmp_path: Path, clock: Clock) -> None:
    url = str(tmp_path)
    (tmp_path / "generations").mkdir()
    (tmp_path / "generations" / f"{1:010d}.claim").touch()
    cluster = Cluster(url, "a", clock, can_serve=False)
    assert cluster.step() is TenurePhase.WAITING
    pass_time(clock, TERMS.stale_after_s + BEAT_S, cluster)
    assert (cluster.tenure.phase, cluster.tenure.generation) == (TenurePhase.HOLDING, 2)


def test_without_the_store_a_cluster_goes_on_and_commits_nothing_after_a_while(clock: Clock) -> None:
    cluster = Cluster("faulty://alone", "a", clock)
    cluster.step()
    with FaultyFileSystem.failing(on("list", ForeignError("away"))):
        clock.now_s += TERMS.commit_s - 1
        with pytest.raises(SnapshotError):
            cluster.step()
        assert cluster.tenure.commits_for_s() == pytest.approx(1)
        clock.now_s += 1
        assert cluster.tenure.commits_for_s() == 0
        assert cluster.tenure.phase is TenurePhase.HOLDING
    cluster.step()
    assert cluster.tenure.commits_for_s() == TERMS.commit_s


def test_a_store_has_few_files_after_many_upgrades(tmp_path: Path, clock: Clock) -> None:
    url = str(tmp_path)
    clusters = [Cluster(url, str(number), clock) for number in range(40)]
    for cluster in clusters:
        cluster.step()
        cluster.tenure.give_up()
    assert len(list((tmp_path / "generations").iterdir())) <= 3 * 17
    assert clusters[-1].tenure.generation == 40


@pytest.mark.parametrize("seed", range(20))
def test_whatever_hangs_dies_or_restarts_two_clusters_never_commit_at_the_same_time(
    tmp_path: Path, clock: Clock, seed: int
) -> None:
    """A cluster may commit only while no other owns the streams, and owners follow one another in order."""
    chance = random.Random(seed)
    url = f"memory://{tmp_path.name}"
    clusters = [Cluster(url, str(number), clock) for number in range(4)]
    hangs_until_s = dict.fromkeys(range(4), 0.0)
    held: list[int] = []
    for _ in range(600):
        clock.now_s += chance.uniform(0, 3)
        number = chance.randrange(4)
        cluster = clusters[number]
        event = chance.random()
        if event < 0.05:
            hangs_until_s[number] = clock.now_s + chance.uniform(0, 300)
        elif event < 0.08:
            cluster.restart()
        elif clock.now_s > hangs_until_s[number]:
            cluster.can_serve, cluster.serves = chance.random() < 0.1, chance.random() < 0.5
            if cluster.step(has_let_go=chance.random() < 0.3) is TenurePhase.HOLDING:
                held.append(cluster.tenure.generation or 0)
        holding = [c.tenure.generation for c in clusters if c.tenure.phase is TenurePhase.HOLDING]
        committing = [c.tenure.generation for c in clusters if c.tenure.commits_for_s() > 0]
        assert len(committing) <= 1
        assert not committing or committing == [max(g for g in holding if g is not None)]
    assert held == sorted(held)
    assert len(set(held)) > 1

import pytest

from hermes_ray.cluster.memory_worker.process.fencing import Fence
from hermes_ray.cluster.wire.protocol import Admission, Renewal
from hermes_ray.errors import StaleEpoch, WorkerUnavailable

LEASE_S = 10.0


def heard(told_s: float, owned_s: float | None = None) -> Renewal:
    """The Coordinator has heard what the worker said at a time by its own clock."""
    return Renewal("process", told_s, owned_s)


def test_nothing_passes_before_the_worker_is_admitted():
    with pytest.raises(WorkerUnavailable):
        Fence(LEASE_S).check("cam", 5)


def test_calls_from_before_a_restart_are_refused():
    fence = Fence(LEASE_S)
    fence.admit(Admission(10, frozenset({"cam"})))
    with pytest.raises(StaleEpoch):
        fence.check("cam", 9)
    with pytest.raises(StaleEpoch):
        fence.check("never-seen", 9)
    fence.check("cam", 10)


def test_a_stream_placed_again_refuses_the_older_placement():
    fence = Fence(LEASE_S)
    fence.admit(Admission(10, frozenset()))
    fence.check("cam", 12)
    fence.check("cam", 12)
    with pytest.raises(StaleEpoch):
        fence.check("cam", 11)
    fence.check("other", 11)
    assert fence.streams == {"cam": 12, "other": 11}


def test_a_stream_that_left_is_refused_until_it_is_placed_here_again():
    fence = Fence(LEASE_S)
    fence.admit(Admission(10, frozenset({"cam"})))
    fence.release("cam", through=10)
    assert fence.streams == {}
    with pytest.raises(StaleEpoch):
        fence.check("cam", 10)
    assert fence.streams == {}
    fence.check("cam", 11)
    assert fence.streams == {"cam": 11}


def test_a_worker_that_the_coordinator_does_not_hear_stops_when_its_lease_is_over():
    now = [100.0]
    fence = Fence(LEASE_S, lambda: now[0])
    fence.admit(Admission(10, frozenset({"cam"})))
    now[0] += 9
    fence.check("cam", 10)
    now[0] += 2
    with pytest.raises(WorkerUnavailable):
        fence.check("cam", 10)
    fence.renew(heard(now[0]))
    fence.check("cam", 10)


def test_a_renewal_that_comes_late_makes_no_lease_longer():
    now = [100.0]
    fence = Fence(LEASE_S, lambda: now[0])
    fence.admit(Admission(10, frozenset({"cam"})))
    told_s = fence.clock_s()
    now[0] += 9  # on its way, or behind others
    fence.renew(heard(told_s))
    fence.check("cam", 10)
    now[0] += 2  # the Coordinator has heard nothing since, and may have given the stream away
    with pytest.raises(WorkerUnavailable):
        fence.check("cam", 10)
    # It hears the Coordinator, which has not heard it for longer than a lease.
    fence.renew(heard(told_s))
    with pytest.raises(WorkerUnavailable):
        fence.check("cam", 10)


def test_an_old_renewal_that_arrives_behind_a_newer_one_takes_nothing_away():
    now = [100.0]
    fence = Fence(LEASE_S, lambda: now[0])
    fence.admit(Admission(10, frozenset({"cam"})))
    now[0] += 8
    fence.renew(heard(108.0))
    fence.renew(heard(101.0))
    now[0] += 9
    fence.check("cam", 10)


def test_what_only_the_owner_of_the_streams_may_do_ends_with_the_clusters_claim():
    now = [100.0]
    fence = Fence(LEASE_S, lambda: now[0])
    assert not fence.owns_streams  # not known yet
    fence.renew(heard(100.0, owned_s=3.0))
    now[0] += 2
    assert fence.owns_streams
    now[0] += 2
    fence.admit(Admission(10, frozenset({"cam"})))
    fence.check("cam", 10)  # questions are answered all the same
    assert not fence.owns_streams
    fence.renew(heard(104.0, owned_s=None))  # no other cluster can reach them
    now[0] += 1_000_000
    assert fence.owns_streams
    fence.end()
    assert not fence.owns_streams


def test_nothing_is_promised_without_a_lease():
    now = [100.0]
    fence = Fence(LEASE_S, lambda: now[0])
    with pytest.raises(WorkerUnavailable, match="not admitted"):
        fence.require_lease()
    fence.admit(Admission(10, frozenset({"cam"})))
    fence.require_lease()
    now[0] += LEASE_S + 1  # it hung, and others may have its streams by now
    with pytest.raises(WorkerUnavailable, match="out of touch"):
        fence.require_lease()
    fence.renew(heard(100.0))  # the first question after that; what it has lost comes with the next
    with pytest.raises(WorkerUnavailable, match="out of touch"):
        fence.require_lease()
    fence.renew(heard(now[0]))
    fence.require_lease()

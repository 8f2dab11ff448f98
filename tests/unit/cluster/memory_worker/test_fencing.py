import pytest

from hermes_ray.cluster.memory_worker.fencing import Fence
from hermes_ray.cluster.wire.protocol import Admission
from hermes_ray.errors import StaleEpoch, WorkerUnavailable

LEASE_S = 10.0


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
    fence.renew(0.0)
    fence.check("cam", 10)
    # It hears the Coordinator, which has not heard it for longer than a lease.
    fence.renew(11.0)
    with pytest.raises(WorkerUnavailable):
        fence.check("cam", 10)


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
    fence.renew(silent_s=LEASE_S + 1)  # the first question after that; what it has lost comes with the next
    with pytest.raises(WorkerUnavailable, match="out of touch"):
        fence.require_lease()
    fence.renew(silent_s=0.0)
    fence.require_lease()

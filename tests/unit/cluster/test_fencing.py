import pytest

from hermes_ray.cluster.directory import Admission
from hermes_ray.cluster.fencing import Fence
from hermes_ray.errors import StaleEpoch, WorkerUnavailable


def test_nothing_passes_before_the_worker_is_admitted():
    with pytest.raises(WorkerUnavailable):
        Fence().check("cam", 5)


def test_calls_from_before_a_restart_are_refused():
    fence = Fence()
    fence.admit(Admission(10, frozenset({"cam"})))
    with pytest.raises(StaleEpoch):
        fence.check("cam", 9)
    with pytest.raises(StaleEpoch):
        fence.check("never-seen", 9)
    fence.check("cam", 10)


def test_a_stream_placed_again_refuses_the_older_placement():
    fence = Fence()
    fence.admit(Admission(10, frozenset()))
    fence.check("cam", 12)
    fence.check("cam", 12)
    with pytest.raises(StaleEpoch):
        fence.check("cam", 11)
    fence.check("other", 11)
    assert fence.streams == {"cam": 12, "other": 11}

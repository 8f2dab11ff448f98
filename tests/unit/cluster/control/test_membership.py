from hermes_ray.cluster.control.membership import Membership


class HeldClock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_worker_that_never_answered_counts_as_unheard_until_its_lease_is_over():
    clock = HeldClock()
    membership = Membership(60, clock)
    clock.now_s += 59
    assert membership.unheard(["memory-0", "memory-1"]) == ["memory-0", "memory-1"]
    clock.now_s += 2
    assert membership.unheard(["memory-0", "memory-1"]) == []

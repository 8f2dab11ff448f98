"""Partitions share the processor, whatever their records cost."""

from collections import Counter

from hermes_ray.cluster.ingest.partitions.fair_turns import FairTurns

DEAR, CHEAP = 0.7, 0.01
"""Seconds for a record: sixty blank pictures of 3840 x 2160, and a small picture."""


def served(turns: FairTurns, waiting: dict[int, float], rounds: int) -> list[int]:
    """Partitions in the order in which records of them are taken, all of them with a backlog."""
    order = []
    for _ in range(rounds):
        order.append(partition := turns.next(waiting))
        turns.spent(partition, waiting[partition])
    return order


def test_a_partition_of_dear_records_gets_no_more_time_than_the_others():
    order = served(FairTurns(), {0: DEAR, 1: CHEAP, 2: CHEAP}, 1_000)
    taken = Counter(order)
    times = [taken[0] * DEAR, taken[1] * CHEAP, taken[2] * CHEAP]
    assert max(times) - min(times) <= DEAR


def test_nobody_waits_for_more_than_one_dear_record():
    turns = FairTurns()
    served(turns, {0: DEAR, 1: CHEAP}, 500)
    # Partition 2 has been idle until now.
    order = served(turns, {0: DEAR, 1: CHEAP, 2: CHEAP}, 3)
    assert order.index(2) <= 1
    assert order.count(0) <= 1


def test_a_partition_that_was_idle_has_saved_up_no_claims():
    turns = FairTurns()
    served(turns, {0: DEAR, 1: DEAR}, 1_000)
    taken = Counter(served(turns, {0: CHEAP, 1: CHEAP, 2: CHEAP}, 300))
    assert max(taken.values()) - min(taken.values()) <= 2 + round(DEAR / CHEAP)


def test_records_that_cost_nothing_are_taken_in_the_order_given():
    turns = FairTurns()
    assert [turns.next([2, 0, 1]), turns.next([0, 1, 2])] == [2, 0]

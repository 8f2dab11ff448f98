from hypothesis import given
from hypothesis import strategies as st

from hermes_ray.cluster.control.workers.partitions import assign_partitions

workers = st.lists(st.sampled_from("abcdefg"), unique=True, min_size=1)
partitions = st.sets(st.integers(0, 40))


@given(partitions, workers, st.dictionaries(st.sampled_from("abcdefgh"), partitions))
def test_every_partition_has_one_reader_and_loads_differ_by_at_most_one(topic, readers, current):
    assigned = assign_partitions(topic, readers, current)
    assert sorted(p for mine in assigned.values() for p in mine) == sorted(topic)
    counts = [len(assigned[reader]) for reader in readers]
    assert max(counts) - min(counts) <= 1


@given(partitions, workers)
def test_a_balanced_assignment_does_not_change(topic, readers):
    first = assign_partitions(topic, readers, {})
    assert assign_partitions(topic, readers, first) == first


@given(partitions, workers, st.sampled_from("xyz"))
def test_a_new_reader_takes_a_share_and_the_others_only_give(topic, readers, newcomer):
    before = assign_partitions(topic, readers, {})
    after = assign_partitions(topic, [*readers, newcomer], before)
    assert all(after[reader] <= before[reader] for reader in readers)


def test_a_lost_readers_partitions_go_to_the_others_which_keep_theirs():
    before = assign_partitions(range(8), ["a", "b"], {})
    assert assign_partitions(range(8), ["b"], before) == {"b": frozenset(range(8))}


def test_no_reader_no_assignment():
    assert assign_partitions(range(4), [], {"a": {1}}) == {}

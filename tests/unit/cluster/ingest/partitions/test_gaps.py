from hypothesis import given
from hypothesis import strategies as st

from hermes_ray.cluster.ingest.partitions.gaps import Gaps

ranges = st.tuples(st.integers(0, 60), st.integers(0, 60))


@given(added=st.lists(ranges, max_size=Gaps.MOST), asked=ranges)
def test_ranges_add_up_to_a_set_of_offsets_however_they_overlap(added, asked):
    gaps, offsets = Gaps(), set()
    for start, end in added:
        assert gaps.add(3, start, end) == len(set(range(start, end)) - offsets)
        offsets |= set(range(start, end))
    assert gaps.between(3, *asked) == len(offsets & set(range(*asked)))
    assert gaps.between(4, *asked) == 0


def test_a_partition_keeps_its_newest_gaps_and_no_more():
    gaps = Gaps()
    for number in range(1000):
        gaps.add(0, 10 * number, 10 * number + 5)
    assert gaps.between(0, 0, 10_000) == 5 * Gaps.MOST
    assert gaps.between(0, 9990, 10_000) == 5

"""Bucket counts against Prometheus' own histogram."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from hermes_ray.observability.distribution import SECONDS, Meter


@given(st.lists(st.one_of(st.sampled_from(SECONDS), st.floats(0, 100))))
def test_a_meter_counts_as_prometheus_own_histogram_does(values: list[float]):
    registry = CollectorRegistry()
    oracle = Histogram("oracle", "Oracle.", buckets=SECONDS, registry=registry)
    meter = Meter(SECONDS)
    for value in values:
        oracle.observe(value)
        meter.observe(value)

    (family,) = registry.collect()
    buckets = tuple(sample.value for sample in family.samples if sample.name == "oracle_bucket")
    assert meter.read().cumulative == buckets
    assert meter.read().total == registry.get_sample_value("oracle_sum")


def test_what_was_read_does_not_change_when_more_is_observed():
    meter = Meter((1.0, 2.0))
    meter.observe(1.5, times=3)
    before = meter.read()
    meter.observe(5.0)
    assert before.counts == (0, 3, 0)
    assert before.total == 4.5

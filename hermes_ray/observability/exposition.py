"""The Prometheus exposition of the system's stats."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from hermes_ray.observability.distribution import Distribution
from hermes_ray.observability.metrics import METRICS, Metric, Value
from hermes_ray.observability.stats import SystemStats


class StatsCollector(Collector):
    """The metrics of one :class:`SystemStats`.

    Args:
        stats: what to show.
    """

    def __init__(self, stats: SystemStats) -> None:
        self._stats = stats

    def collect(self) -> Iterable[Family]:
        """Every metric that has a value; Prometheus' client calls this."""
        for metric in METRICS:
            family = _family(metric, list(metric.samples(self._stats)))
            if family.samples:
                yield family


def exposition(stats: SystemStats, accept: str) -> tuple[bytes, str]:
    """What a scrape gets.

    Args:
        stats: what to show.
        accept: the request's Accept header; it chooses between Prometheus' text format and OpenMetrics.

    Returns:
        The body and its content type.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StatsCollector(stats))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _family(metric: Metric, samples: list[tuple[tuple[str, ...], Value]]) -> Family:
    if metric.kind == "histogram":
        return _histogram_family(metric, samples)
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in samples:
        assert not isinstance(value, Distribution), metric.name
        family.add_metric(labels, value)
    return family


def _histogram_family(metric: Metric, samples: list[tuple[tuple[str, ...], Value]]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in samples:
        assert isinstance(value, Distribution), metric.name
        bounds = [*(floatToGoString(bound) for bound in value.bounds), "+Inf"]
        buckets = [(bound, float(count)) for bound, count in zip(bounds, value.cumulative, strict=True)]
        family.add_metric(labels, buckets, sum_value=value.total)
    return family

"""Every metric that hermes-ray exposes, as one table from the stats of the system to names, labels and values.

The table makes both the scrape (:mod:`hermes_ray.observability.exposition`) and ``docs/metrics.md``
(``python -m hermes_ray.observability.reference``). Names and units follow Prometheus' conventions: prefix ``hermes_``,
seconds and bytes, ``_total`` for counters. No label takes unbounded values, except ``stream``, which only metrics per
stream have.
"""

from collections.abc import Mapping

from hermes_ray.observability.metrics.events import EVENTS
from hermes_ray.observability.metrics.ingest import INGEST
from hermes_ray.observability.metrics.memories import MEMORY, SNAPSHOTS
from hermes_ray.observability.metrics.per_stream import PER_STREAM
from hermes_ray.observability.metrics.questions import QUESTIONS, STANDING
from hermes_ray.observability.metrics.system import SYSTEM
from hermes_ray.observability.metrics.table import Metric, Samples, Value

__all__ = ["METRICS", "SECTIONS", "Metric", "Samples", "Value"]

SECTIONS: Mapping[str, tuple[Metric, ...]] = {
    "The system": SYSTEM,
    "Ingest": INGEST,
    "Memories": MEMORY,
    "Snapshots": SNAPSHOTS,
    "Questions": QUESTIONS,
    "Standing questions": STANDING,
    "Events": EVENTS,
    "Per stream": PER_STREAM,
}
"""All metrics in the order in which the page shows them."""

METRICS: tuple[Metric, ...] = tuple(metric for section in SECTIONS.values() for metric in section)
"""All metrics."""

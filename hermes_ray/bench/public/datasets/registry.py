"""The public benchmarks that there are."""

from hermes_ray.bench.public.datasets.dataset import Dataset, DatasetName
from hermes_ray.bench.public.datasets.ovo_bench import OVO_BENCH
from hermes_ray.bench.public.datasets.rvs import RVS_EGO, RVS_MOVIE
from hermes_ray.bench.public.datasets.streamingbench import STREAMINGBENCH
from hermes_ray.bench.public.datasets.videomme import VIDEOMME

DATASETS: dict[DatasetName, Dataset] = {
    each.name: each for each in (STREAMINGBENCH, OVO_BENCH, RVS_EGO, RVS_MOVIE, VIDEOMME)
}
"""By name."""

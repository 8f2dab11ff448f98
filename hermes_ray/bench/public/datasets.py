"""The public benchmarks that there are."""

from hermes_ray.bench.public.dataset import Dataset, DatasetName
from hermes_ray.bench.public.ovo_bench import OVO_BENCH
from hermes_ray.bench.public.rvs import RVS_EGO, RVS_MOVIE
from hermes_ray.bench.public.streamingbench import STREAMINGBENCH
from hermes_ray.bench.public.videomme import VIDEOMME

DATASETS: dict[DatasetName, Dataset] = {
    each.name: each for each in (STREAMINGBENCH, OVO_BENCH, RVS_EGO, RVS_MOVIE, VIDEOMME)
}
"""By name."""

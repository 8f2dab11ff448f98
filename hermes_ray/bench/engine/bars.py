"""What figures are held to. Those on CUDA were set for one H100 (80 GB) in bfloat16, those on the CPU for two cores."""

from collections.abc import Mapping

from hermes_ray.bench.engine.plan import Shape
from hermes_ray.bench.figures import Bar

_SEVEN_ON_A_GPU = {
    "ttft_alone": Bar(9, at_most=True),
    "token_alone": Bar(8, at_most=True),
    "token_of_8": Bar(9, at_most=True),
    "ttft_last_of_8": Bar(30, at_most=True),
    "ingest_16_streams": Bar(110, at_most=False),
    "loaded_p99_ttft_over_idle_p50": Bar(2, at_most=True),
    "compaction_share_of_ingest": Bar(3, at_most=True),
}
_BARS: Mapping[tuple[Shape | None, str], Mapping[str, Bar]] = {
    (Shape.SEVEN, "cuda"): _SEVEN_ON_A_GPU,
    (Shape.HALF, "cuda"): {"compaction_share_of_ingest": Bar(3, at_most=True)},
    (Shape.HALF, "cpu"): {"compaction_share_of_ingest": Bar(4, at_most=True)},
    (Shape.TINY, "cpu"): {
        "ttft_last_of_8_over_alone": Bar(2.5, at_most=True),
        "loaded_p99_ttft_over_idle_p50": Bar(3, at_most=True),
    },
}


def bar(name: str, shape: Shape | None, device: str) -> Bar | None:
    """The bar of a figure on such a model and device, if anything is promised."""
    return _BARS.get((shape, device), {}).get(name)

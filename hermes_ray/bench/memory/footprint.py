"""Whether the slab is as large as the formula says that operators size their GPUs with."""

from collections.abc import Iterator

from hermes_ray.bench.figures import Bar, Figure
from hermes_ray.bench.memory.workload import Workload
from hermes_ray.bench.streams import DirectStreams

_SLOTS = 4
_BYTES = {"torch.float32": 4, "torch.bfloat16": 2, "torch.float16": 2}
_INT32_BYTES = 4
_IDENTITY_NUMBERS = 3  # frame, patch and count of every token


def measure(workload: Workload) -> Iterator[Figure]:
    """Compare a real slab with the formula of docs/performance/memory.md, written here a second time."""
    streams = DirectStreams(workload.adapter, workload.memory(slots=_SLOTS))
    shape = workload.adapter.decoder.shape
    capacity = streams.slab.prefix + workload.budget + workload.bank.tokens_per_frame
    per_token = 2 * shape.kv_heads * shape.head_dim * _BYTES[str(workload.adapter.dtype)]
    per_token += (shape.axes + _IDENTITY_NUMBERS) * _INT32_BYTES
    expected = shape.layers * _SLOTS * capacity * per_token
    yield Figure(
        "slab_bytes_off_formula",
        workload.name,
        abs(streams.slab.nbytes - expected),
        "bytes",
        Bar(0, at_most=True),
        {"slab_bytes": streams.slab.nbytes, "slots": _SLOTS, "capacity": capacity, "bytes_per_token": per_token},
        "layers x slots x (prefix + budget + one frame) x (2 x KV heads x head size x bytes + position and identity)",
    )

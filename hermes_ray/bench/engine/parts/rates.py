"""What the device can do at best: copying, and multiplying matrices."""

from collections.abc import Callable, Iterator
from time import perf_counter

import torch

from hermes_ray.bench.engine.bench import Bench, Rates
from hermes_ray.bench.engine.timing import repeated
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.statistics import median

_GPU_BYTES, _CPU_BYTES = 2 << 30, 64 << 20
_GPU_SIDE, _CPU_SIDE = 8192, 1024
_PER_TURN = 5


def measure(bench: Bench) -> Iterator[Figure]:
    """A large copy and a large product, many times."""
    bench.doing("what the device can do")
    on_cpu = bench.subject.device.type == "cpu"
    size, side = (_CPU_BYTES, _CPU_SIDE) if on_cpu else (_GPU_BYTES, _GPU_SIDE)
    copied_per_s, flops_per_s = 2 * size / _copying_s(bench, size), 2 * side**3 / _multiplying_s(bench, side)
    bench.rates = Rates(copied_per_s, flops_per_s)
    yield bench.figure("copy_bandwidth", copied_per_s / 1e9, "GB/s", {"bytes": size}, "counted read and written")
    yield bench.figure("matrix_rate", flops_per_s / 1e12, "TFLOP/s", {"side": side})


def _copying_s(bench: Bench, size: int) -> float:
    source = torch.ones(size, dtype=torch.uint8, device=bench.subject.device)
    target = torch.empty_like(source)
    return _seconds(bench, lambda: target.copy_(source))


def _multiplying_s(bench: Bench, side: int) -> float:
    device, dtype = bench.subject.device, bench.subject.adapter.dtype
    generator = torch.Generator(device).manual_seed(bench.plan.seed)
    one, other = (torch.randn(side, side, device=device, generator=generator).to(dtype) for _ in range(2))
    return _seconds(bench, lambda: one @ other)


def _seconds(bench: Bench, work: Callable[[], object]) -> float:
    """Of one call, in the median over turns of several."""
    work()
    taken = []
    for _ in repeated(bench.plan.seconds / 8, least=3):
        bench.subject.wait()
        began_s = perf_counter()
        for _ in range(_PER_TURN):
            work()
        bench.subject.wait()
        taken.append((perf_counter() - began_s) / _PER_TURN)
    return median(taken)

"""How many kernels a pass launches on a GPU; on a CPU, how many of torch's operations it calls."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from torch._C._autograd import DeviceType
from torch._C._profiler import _ExperimentalConfig
from torch.profiler import ProfilerActivity, profile

from hermes_ray.bench.engine.bench import Bench
from hermes_ray.bench.engine.timing import TimedAnswer
from hermes_ray.bench.engine.watched import LIMIT_S, Watched
from hermes_ray.bench.figures import Figure

_LAUNCH = re.compile(r"^cu(da)?(Graph)?Launch")
_COPY = re.compile(r"^Mem(cpy|set)")
_TOKENS = 9
_TRIES = 6


@dataclass(frozen=True, slots=True)
class _Profile:
    """What one piece of work asked of the device.

    Attributes:
        launches: of kernels or graphs, by the host; on a CPU, operations that Python called.
        kernels: that ran on the GPU.
        copies: copies and fills on the GPU.
        busy_ms: that the GPU was busy with all of them.
        wall_ms: that the work took, profiling included.
    """

    launches: float
    kernels: float
    copies: float
    busy_ms: float
    wall_ms: float

    def beyond(self, other: "_Profile", times: int) -> "_Profile":
        """What each of so many further passes asked."""
        return _Profile(*((getattr(self, name) - getattr(other, name)) / times for name in self.__slots__))


def measure(bench: Bench, watched: Watched) -> Iterator[Figure]:
    """A step of one frame of every stream, a question, and a further token of an answer."""
    bench.doing("what a pass asks of the device")
    frames, compactions = _step(bench, watched)
    yield _figure(bench, "step_of_frames", frames, {"frames": watched.streams, "compactions": compactions})
    for _ in range(2):
        _ask(watched, _TOKENS)
    question = _profiled(bench, lambda: _ask(watched, 1))
    answer = _profiled(bench, lambda: _ask(watched, _TOKENS))
    yield _figure(bench, "question", question, {})
    yield _figure(bench, "token", answer.beyond(question, _TOKENS - 1), {})


def _step(bench: Bench, watched: Watched) -> tuple[_Profile, int]:
    """A step of frames, if possible one without compactions, and how many it had."""
    for tries_left in reversed(range(_TRIES)):
        before = watched.compactions()
        frames = _profiled(bench, lambda: _show(watched))
        compactions = watched.compactions() - before
        if compactions == 0 or not tries_left:
            return frames, compactions
    raise AssertionError("there is a last try")


def _figure(bench: Bench, what: str, found: _Profile, detail: dict[str, Any]) -> Figure:
    if bench.subject.device.type == "cpu":
        note = "torch's operations that Python calls; there are no kernels to launch on a CPU"
        return bench.figure(f"operations_per_{what}", found.launches, "ops", detail | {"wall_ms": found.wall_ms}, note)
    seen = {name: getattr(found, name) for name in found.__slots__}
    return bench.figure(f"launches_per_{what}", found.launches, "launches", detail | seen, "a graph is one launch")


def _ask(watched: Watched, tokens: int) -> None:
    TimedAnswer(watched, watched.next_stream(), tokens).result()


def _show(watched: Watched) -> None:
    for frame in watched.show_all():
        frame.result(LIMIT_S)


def _profiled(bench: Bench, work: Callable[[], object]) -> _Profile:
    on_cpu = bench.subject.device.type == "cpu"
    activities = [ProfilerActivity.CPU] if on_cpu else [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    # The engine works in a thread of its own, whose operations are not recorded by default; kernels are.
    threads = _ExperimentalConfig(profile_all_threads=True) if on_cpu else None
    bench.subject.wait()
    with profile(activities=activities, experimental_config=threads, acc_events=True) as recorder:
        began_s = perf_counter()
        work()
        bench.subject.wait()
        wall_ms = (perf_counter() - began_s) * 1000
    events = list(recorder.events() or ())
    if on_cpu:
        calls = sum(event.cpu_parent is None and event.name.startswith("aten::") for event in events)
        return _Profile(calls, 0, 0, 0.0, wall_ms)
    on_gpu = [event for event in events if event.device_type == DeviceType.CUDA]
    copies = sum(bool(_COPY.match(event.name)) for event in on_gpu)
    return _Profile(
        launches=sum(bool(_LAUNCH.match(event.name)) for event in events),
        kernels=len(on_gpu) - copies,
        copies=copies,
        busy_ms=sum(event.time_range.elapsed_us() for event in on_gpu) / 1000,
        wall_ms=wall_ms,
    )

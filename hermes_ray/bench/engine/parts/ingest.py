"""Frames per second while nobody asks."""

from collections import deque
from collections.abc import Iterator
from time import perf_counter

from hermes_ray.bench.engine.bench import Bench
from hermes_ray.bench.engine.timing import repeated
from hermes_ray.bench.engine.watched import LIMIT_S, Watched
from hermes_ray.bench.engine.work import frame_flops
from hermes_ray.bench.figures import Figure

_ROUNDS_AHEAD = 3


def measure(bench: Bench, watched: Watched) -> Iterator[Figure]:
    """All streams at once, as fast as the engine takes them; then one, each frame when the one before is there."""
    bench.doing(f"frames of {watched.streams} streams")
    per_s, frames, compactions = all_streams(bench, watched)
    detail = {"frames": frames, "compactions": compactions}
    note = "one frame of every stream in each step; vision " + ("included" if bench.subject.vision else "excluded")
    name = f"ingest_{watched.streams}_streams"
    yield bench.figure(name, per_s, "frames/s", detail, note)
    if bench.rates is not None:
        flops = frame_flops(bench.subject, watched.tokens())
        yield bench.figure(
            "matrix_rate_share_of_ingest",
            100 * flops * per_s / bench.rates.flops_per_s,
            "%",
            {"flops_per_frame": flops, "achieved_flops_per_s": flops * per_s},
            "operations of frames per second over the measured rate of a large matrix product",
        )
    bench.doing("frames of one stream")
    watched.show(0).result(LIMIT_S)
    began_s, count = perf_counter(), 0
    for _ in repeated(bench.plan.seconds):
        watched.show(0).result(LIMIT_S)
        count += 1
    bench.subject.wait()
    per_s = count / (perf_counter() - began_s)
    yield bench.figure(
        "ingest_1_stream", per_s, "frames/s", {"frames": count, "frame_ms": 1000 / per_s}, "one after the other"
    )


def all_streams(bench: Bench, watched: Watched) -> tuple[float, int, int]:
    """Hand over a frame of every stream, again and again, so that some always wait and no step is short of them.

    Returns:
        frames per second, frames and compactions.
    """
    for frame in watched.show_all():
        frame.result(LIMIT_S)
    before = watched.compactions()
    bench.subject.wait()
    began_s, rounds = perf_counter(), 0
    ahead: deque[list] = deque()
    for _ in repeated(bench.plan.seconds, least=_ROUNDS_AHEAD + 1):
        if len(ahead) == _ROUNDS_AHEAD:
            for frame in ahead.popleft():
                frame.result(LIMIT_S)
        ahead.append(watched.show_all())
        rounds += 1
    for frame in (frame for waiting in ahead for frame in waiting):
        frame.result(LIMIT_S)
    bench.subject.wait()
    taken_s = perf_counter() - began_s
    frames = rounds * watched.streams
    return frames / taken_s, frames, watched.compactions() - before

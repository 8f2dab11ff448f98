"""Frames per second for several streams, in batches and one by one."""

from collections.abc import Iterator
from time import perf_counter

from hermes_ray.bench.features import ticket
from hermes_ray.bench.figures import Figure, Progress
from hermes_ray.bench.memory.workload import Workload
from hermes_ray.config import EngineSettings
from hermes_ray.engine import StreamEngine

_FRAMES_PER_STEP = 16


def measure(workload: Workload, progress: Progress, *, streams: tuple[int, ...], frames: int) -> Iterator[Figure]:
    """Ingest the same frames twice: all handed over at once, and each only when the one before is in its memory.

    Args:
        workload: model and budget.
        progress: told what is going on.
        streams: numbers of streams to try.
        frames: over all streams; at least one per stream is shown.
    """
    for count in streams:
        each = max(1, frames // count)
        progress(f"{workload.name}: {count} streams, {each} frames each, batched and one by one")
        batched = _frames_per_second(workload, count, each, together=True)
        single = _frames_per_second(workload, count, each, together=False)
        yield Figure(
            f"ingest_{count}_streams",
            workload.name,
            batched,
            "frames/s",
            detail={"one_by_one_frames_per_s": single, "batched_over_one_by_one": batched / single, "frames": each},
            note=f"batched: at most {_FRAMES_PER_STEP} frames a step over all streams; vision excluded",
        )


def _frames_per_second(workload: Workload, streams: int, frames: int, *, together: bool) -> float:
    settings = EngineSettings(
        max_frames_per_step=_FRAMES_PER_STEP, max_frames_waiting=streams * frames + 1, max_questions=1
    )
    with StreamEngine(workload.adapter, workload.memory(slots=streams), settings) as engine:
        for stream in range(streams):  # the prefix is encoded before the clock starts
            engine.ingest(f"camera-{stream}", [ticket(stream)], [0]).result()
        began = perf_counter()
        if together:
            numbers = range(1, frames + 1)
            applied = [
                engine.ingest(f"camera-{stream}", [ticket(n) for n in numbers], [n * 500 for n in numbers])
                for stream in range(streams)
            ]
            for future in applied:
                future.result()
        else:
            for number in range(1, frames + 1):
                for stream in range(streams):
                    engine.ingest(f"camera-{stream}", [ticket(number)], [number * 500]).result()
        return streams * frames / (perf_counter() - began)

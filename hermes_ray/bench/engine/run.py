"""One run: what needs no engine, then every part on an engine of each mode. A part that fails stops no other."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import torch

from hermes_ray.bench import figures
from hermes_ray.bench.engine.bench import Bench, Level
from hermes_ray.bench.engine.parts import (
    askers,
    compaction,
    ingest,
    kernels,
    load,
    patches,
    rates,
    together,
    tokens,
    transformers_alone,
    ttft,
)
from hermes_ray.bench.engine.plan import WITHOUT_ENGINE, Part
from hermes_ray.bench.engine.watched import Watched, engine_settings
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.machine import Machine
from hermes_ray.bench.statistics import median, percentile
from hermes_ray.config import EngineSettings
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

SCHEMA = "hermes-bench-engine/1"

ENGINE = "engine"
"""What building an engine and filling its memories is called among the parts."""
_GRAPHS = "cuda_graphs"
_ALONE: Mapping[Part, Callable[[Bench], Iterator[Figure]]] = {
    Part.RATES: rates.measure,
    Part.TRANSFORMERS: transformers_alone.measure,
}
_WITH_ENGINE: Mapping[Part, Callable[[Bench, Watched], Iterator[Figure]]] = {
    Part.INGEST: ingest.measure,
    Part.PATCHES: patches.measure,
    Part.COMPACTION: compaction.measure,
    Part.KERNELS: kernels.measure,
    Part.TTFT: ttft.measure,
    Part.TOGETHER: together.measure,
    Part.TOKENS: tokens.measure,
    Part.LOAD: load.measure,
    Part.ASKERS: askers.measure,
}


@dataclass(frozen=True, slots=True)
class Done:
    """A part that has ended.

    Attributes:
        part: its name.
        mode: of the engine; empty without one.
        seconds: that it took.
        error: why it failed; ``None`` if it did not.
        figures: that were measured, those before a failure too.
    """

    part: str
    mode: str
    seconds: float
    error: str | None
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class _Mode:
    name: str
    settings: EngineSettings


def modes(device: str) -> list[str]:
    """Names of the engine's modes on a device: on a GPU with and without CUDA graphs, where the engine has them."""
    return [mode.name for mode in _modes(device)]


def steps(bench: Bench) -> int:
    """How many times :func:`measure` will yield, unless an engine fails."""
    alone = [part for part in bench.plan.parts if part in WITHOUT_ENGINE]
    others = len(bench.plan.parts) - len(alone)
    return len(alone) + (len(modes(bench.subject.device.type)) * (1 + others) if others else 0)


def measure(bench: Bench) -> Iterator[Done]:
    """Everything that is planned, in order."""
    for part, alone in _ALONE.items():
        if part in bench.plan.parts:
            yield _run(bench, part, partial(alone, bench))
    planned = [part for part in _WITH_ENGINE if part in bench.plan.parts]
    grown: Sequence[bytes] | None = None
    for mode in _modes(bench.subject.device.type) if planned else ():
        bench.mode = mode.name
        watched, started = _start(bench, mode, grown)
        yield started
        if watched is None:
            continue
        grown = watched.grown
        try:
            for part in planned:
                yield _run(bench, part, partial(_WITH_ENGINE[part], bench, watched))
        finally:
            watched.close()
        del watched  # and with it what the engine has on the device
        bench.is_main = False


def report(machine: Machine, bench: Bench, parts: Sequence[Done], *, quick: bool, seconds: float) -> dict[str, Any]:
    """All of one run, or what there is of it so far, as a JSON document."""
    found = [figure for part in parts for figure in part.figures]
    document = figures.report(machine, found, quick=quick, seconds=seconds, schema=SCHEMA)
    return document | {
        "model": dict(bench.model),
        "plan": bench.plan.to_dict(),
        "parts": [
            {"part": part.part, "mode": part.mode, "seconds": round(part.seconds, 2), "error": part.error}
            for part in parts
        ],
        "levels": [_level(level) for level in bench.levels],
    }


def _modes(device: str) -> list[_Mode]:
    if device != "cuda" or _GRAPHS not in EngineSettings.model_fields:
        return [_Mode("", engine_settings())]
    return [
        _Mode("with CUDA graphs", engine_settings(**{_GRAPHS: "auto"})),
        _Mode("without CUDA graphs", engine_settings(**{_GRAPHS: "off"})),
    ]


def _start(bench: Bench, mode: _Mode, grown: Sequence[bytes] | None) -> tuple[Watched | None, Done]:
    """An engine with full memories, unless it fails."""
    bench.doing("starting the engine and filling its memories")
    began_s = perf_counter()
    try:
        _let_go()
        watched = Watched(bench.subject, mode.settings, bench.plan.streams, grown)
        taken_s = perf_counter() - began_s
        detail = {"slab_bytes": watched.engine.stats().slab_bytes, "seconds_with_full_memories": taken_s}
    except Exception as failure:
        log.exception("no engine", mode=bench.mode)
        return None, Done(ENGINE, bench.mode, perf_counter() - began_s, _said(failure), ())
    figure = bench.figure("engine_start", watched.started_s, "s", detail)
    return watched, Done(ENGINE, bench.mode, taken_s, None, (figure,))


def _run(bench: Bench, part: Part, work: Callable[[], Iterator[Figure]]) -> Done:
    found: list[Figure] = []
    error: str | None = None
    began_s = perf_counter()
    try:
        found.extend(work())
    except Exception as failure:
        log.exception("a part failed", part=part, mode=bench.mode)
        error = _said(failure)
    return Done(part, bench.mode, perf_counter() - began_s, error, tuple(found))


def _said(failure: Exception) -> str:
    return f"{type(failure).__name__}: {failure}"


def _level(level: Level) -> dict[str, Any]:
    return {
        "mode": level.mode,
        "askers": level.askers,
        "seconds": level.seconds,
        "answers": len(level.first_token_ms),
        "answers_per_s": len(level.first_token_ms) / level.seconds,
        "tokens_per_s": level.tokens / level.seconds,
        "first_token_p50_ms": median(level.first_token_ms),
        "first_token_p99_ms": percentile(level.first_token_ms, 99),
    }


def _let_go() -> None:
    """Free what torch keeps on the device of an engine before."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

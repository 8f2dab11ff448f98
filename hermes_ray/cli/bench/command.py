"""``hermes bench``: what this system claims of cost, accuracy and recovery, measured beside what it is held against."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from hermes_ray.bench.engine.plan import Part, Shape
from hermes_ray.bench.public.datasets.dataset import DatasetName
from hermes_ray.bench.recovery.plan import Kind
from hermes_ray.cli.bench.documents import write_document

bench = typer.Typer(no_args_is_help=True, help="Measure cost, accuracy and recovery on this machine.")

JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything measured as JSON.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Print the measurements behind every figure too.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads of one torch operation (default: torch's own choice).")
]


@bench.command()
def memory(
    quick: Annotated[bool, typer.Option("--quick", help="A few minutes: smaller sizes, the same bars.")] = False,
    json_file: JsonFile = None,
    verbose: Verbose = False,
    threads: Threads = None,
) -> None:
    """Cost of the memory: that it stays the same however long a stream is, and what other ways of answering cost.

    On hermes-tiny's shape and on a random decoder of LLaVA-OneVision-0.5B's shape, beside re-encoding per question and
    what ReKV, LiveVLM and DSCache do at a question. Vision features are computed before the clock starts, on all
    sides. Exit code 0 whether the bars are cleared or not: the table tells.
    """
    from hermes_ray.cli.bench.memory import run_memory

    document = run_memory(quick=quick, threads=threads, verbose=verbose)
    _write(document, json_file)


@bench.command()
def engine(
    model_shape: Annotated[Shape, typer.Option(help="Random weights of this shape.")] = Shape.TINY,
    model: Annotated[
        str | None, typer.Option(help="A real model instead: directory, hub name or bundled name.")
    ] = None,
    device: Annotated[str, typer.Option(help="Torch device, or auto.")] = "auto",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, float16 or auto.")] = "auto",
    budget: Annotated[
        int | None, typer.Option(min=1, help="Visual tokens per layer of each memory (default: the shape's).")
    ] = None,
    parts: Annotated[str | None, typer.Option(metavar="NAME,...", help=f"Only these of {', '.join(Part)}.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One second for each measurement.")] = False,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Of each measurement (default 4).")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of random weights and pictures.")] = 0,
    threads: Threads = None,
    json_file: JsonFile = None,
    verbose: Verbose = False,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the results (needs matplotlib).")] = None,
) -> None:
    """Speed of one engine on this machine: questions, tokens, frames, and both at once.

    Beside what the hardware can do at best, and transformers alone with a cache of the same size. 16 streams, whose
    memories are full. On a GPU with and without CUDA graphs. A part that fails is reported and stops no other. Exit
    code 0 whether the bars are cleared or not.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # before torch: its profiler's own lines would tear the bar apart
    from hermes_ray.cli.bench.engine import run_engine

    run_engine(
        model_shape,
        model,
        device=device,
        dtype=dtype,
        budget=budget,
        parts=parts,
        quick=quick,
        seconds=seconds,
        seed=seed,
        threads=threads,
        json_file=json_file,
        picture=picture,
        verbose=verbose,
    )


@bench.command()
def accuracy(
    model: Annotated[str, typer.Option(help="Directory, hub name or bundled name.")] = "hermes-tiny",
    quick: Annotated[bool, typer.Option("--quick", help="Few streams, the smallest budget.")] = False,
    streams: Annotated[int | None, typer.Option(min=1, help="Streams; their seeds are fixed.")] = None,
    frames: Annotated[int | None, typer.Option(min=20, help="Frames of each stream.")] = None,
    budget: Annotated[
        list[float] | None, typer.Option(min=0.1, max=100, help="Cached tokens, percent of the stream's. Repeatable.")
    ] = None,
    policy: Annotated[list[str] | None, typer.Option(help="Only this policy. Repeatable.")] = None,
    footage: Annotated[
        Literal["quiet", "busy"], typer.Option(help="How much happens: about one thing a minute, or four.")
    ] = "quiet",
    condition: Annotated[
        str,
        typer.Option(help="clean, noise, flicker, light, compression, shaking, panning, or several with +."),
    ] = "clean",
    unchanged: Annotated[
        Literal["keep", "skip"], typer.Option(help="Frames that show nothing new, as video.unchanged.")
    ] = "keep",
    unchanged_patches: Annotated[
        Literal["keep", "drop"], typer.Option(help="Tokens that show nothing new, as memory.unchanged_patches.")
    ] = "keep",
    max_gap: Annotated[
        float, typer.Option("--max-gap-s", min=0.1, help="Encoded so often whatever they show, as video.max_gap_s.")
    ] = 10.0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes (default: one per core).")] = None,
    json_file: JsonFile = None,
    verbose: Verbose = False,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the results (needs matplotlib).")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep what is finished in this file, and go on from it.")
    ] = None,
) -> None:
    """Accuracy of every memory policy on long streams of the simulated camera, at the same number of cached tokens.

    The bundled model was trained on short clips of other worlds of the same kind. An answer is right if it has exactly
    the right words.
    """
    from hermes_ray.bench.accuracy.footage import Footage
    from hermes_ray.cli.bench.accuracy import run_accuracy

    changes = {"streams": streams, "frames": frames, "budgets_percent": budget, "policies": policy}
    filmed = Footage(footage, condition, unchanged, max_gap, unchanged_patches)
    document = run_accuracy(
        model, changes, filmed, quick=quick, workers=workers, picture=picture, resume=resume, verbose=verbose
    )
    _write(document, json_file)


@bench.command()
def events(
    model: Annotated[str, typer.Option(help="Directory, hub name or bundled name.")] = "hermes-tiny",
    quick: Annotated[bool, typer.Option("--quick", help="Few cameras, minutes of video.")] = False,
    cameras: Annotated[int | None, typer.Option(min=1, help="Simulated cameras (default 20).")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="Of video of each camera (default 20).")] = None,
    load_seconds: Annotated[float | None, typer.Option(min=1, help="Of each round of live load (default 60).")] = None,
    json_file: JsonFile = None,
    verbose: Verbose = False,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the results (needs matplotlib).")] = None,
) -> None:
    """Standing questions and journals of simulated cameras, whose truth is known: what they find, and what they cost.

    First live, with one person who asks again and again, without standing questions and with them; then as fast as the
    engine goes, beside the truth: what is told, how soon, and what a search through the journals finds afterwards. Exit
    code 0 whether the bars are cleared or not.
    """
    from hermes_ray.cli.bench.events import run_events

    changes = {"cameras": cameras, "minutes": minutes, "load_seconds": load_seconds}
    _write(run_events(model, changes, quick=quick, picture=picture, verbose=verbose), json_file)


@bench.command()
def evidence(
    model: Annotated[str, typer.Option(help="Directory, hub name or bundled name.")] = "hermes-tiny",
    streams: Annotated[int, typer.Option(min=1, help="Streams; their seeds are fixed.")] = 20,
    frames: Annotated[int, typer.Option(min=20, help="Frames of each stream.")] = 500,
    budget: Annotated[float, typer.Option(min=0.1, max=100, help="Cached tokens, percent of the stream's.")] = 12,
    json_file: JsonFile = None,
) -> None:
    """Whether the frames that answers name as their evidence show what the answers say.

    On the streams and questions of `hermes bench accuracy`, whose truth is known. Answers that say that nothing is
    there are left out.
    """
    from hermes_ray.cli.bench.evidence import run_evidence

    document = run_evidence(model, streams=streams, frames=frames, budget=budget)
    _write(document, json_file)


@bench.command()
def public(
    dataset: Annotated[DatasetName, typer.Option(help="Which benchmark.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Its annotations and videos.")],
    model: Annotated[str, typer.Option(help="Directory, hub name or bundled name.")],
    policies: Annotated[
        str, typer.Option(metavar="NAME,...", help="Memory policies, and window or window-N: the last 4 or N frames.")
    ] = "hermes,paper,reference,window",
    budget: Annotated[int, typer.Option(min=1, help="Visual tokens that a policy keeps per layer.")] = 4096,
    fps: Annotated[float | None, typer.Option(min=0.01, max=60, help="Instead of the benchmark's own rate.")] = None,
    context_seconds: Annotated[
        float | None, typer.Option(min=1, help="Policies see only so much before a question (StreamingBench's 60).")
    ] = None,
    videos: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    shard: Annotated[str, typer.Option(metavar="I/N", help="Only part I of N of the videos.")] = "1/1",
    device: Annotated[str, typer.Option(help="Torch device, or auto.")] = "auto",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, float16 or auto.")] = "auto",
    max_pixels_per_frame: Annotated[
        int | None, typer.Option(min=1, help="Shrink larger frames (models that keep a frame's shape).")
    ] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="Judges open answers: messages on stdin, reply on stdout.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write open answers as published judging scripts read them.")
    ] = None,
    json_file: JsonFile = None,
    verbose: Verbose = False,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the results (needs matplotlib).")] = None,
    resume: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Keep what is finished in this file, and go on from it. Further ones: read."),
    ] = None,
) -> None:
    """A public benchmark of streaming video by its published protocol, beside the figures that others published.

    Frames are watched once, in order, and every question is asked at its time: no memory has seen a later frame. Data
    and weights are yours to download; docs/research/public-benchmarks.md says where they come from and how they must
    lie.
    """
    from hermes_ray.bench.public.run import Plan
    from hermes_ray.cli.bench.public import parse_shard, run_public

    plan = Plan(
        dataset=dataset,
        model=model,
        policies=tuple(name.strip() for name in policies.split(",")),
        budget_tokens=budget,
        fps=fps,
        context_s=context_seconds,
        videos=videos,
        shard=parse_shard(shard),
        max_pixels_per_frame=max_pixels_per_frame,
    )
    document = run_public(
        plan,
        data,
        device=device,
        dtype=dtype,
        resume=resume or [],
        judge=judge,
        predictions=predictions,
        picture=picture,
        verbose=verbose,
    )
    _write(document, json_file)


@bench.command()
def recovery(
    quick: Annotated[
        bool, typer.Option("--quick", help="3 faults of each kind, fewer streams, and snapshots more often.")
    ] = False,
    faults: Annotated[int | None, typer.Option(min=1, help="Faults of each kind (default 20).")] = None,
    kind: Annotated[list[Kind] | None, typer.Option(help="Only this kind of fault. Repeatable.")] = None,
    json_file: JsonFile = None,
    verbose: Verbose = False,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the results (needs matplotlib).")] = None,
) -> None:
    """How soon the system is itself again after kill -9 of a process, and what questions to other streams notice.

    Starts a broker, a Ray and the whole system of its own; touches none that runs. Streams are published and asked over
    HTTP all the time. Faults of all kinds take turns: a memory worker, the ingest worker or the Coordinator dies, or a
    memory worker is drained. Ctrl-C ends everything, at any moment. Exit code 0 whether the bars are cleared or not.
    """
    from hermes_ray.cli.bench.recovery import run_recovery

    changes = {"faults": faults, "kinds": tuple(kind) if kind else None}
    document = run_recovery(changes, quick=quick, picture=picture, verbose=verbose)
    _write(document, json_file)


@bench.command()
def serving(
    quick: Annotated[bool, typer.Option("--quick", help="Few levels, a few seconds each.")] = False,
    seconds: Annotated[float | None, typer.Option(min=1, help="Of each level (default 20).")] = None,
    askers: Annotated[list[int] | None, typer.Option(min=1, help="Only a level of so many. Repeatable.")] = None,
    json_file: JsonFile = None,
    verbose: Verbose = False,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the results (needs matplotlib).")] = None,
) -> None:
    """Answers per second and time to first token for 1 to 500 people who ask at once, over HTTP and without it.

    First an engine alone in this process, then a broker, a Ray and the whole system of its own, each with four live
    cameras; touches none that runs. Everybody asks again as soon as the answer is there; whoever is refused comes back
    after Retry-After. Exit code 0 whether the bars are cleared or not.
    """
    from hermes_ray.cli.bench.serving import run_serving

    changes = {"seconds": seconds, "askers": tuple(sorted(set(askers))) if askers else None}
    document = run_serving(changes, quick=quick, picture=picture, verbose=verbose)
    _write(document, json_file)


@bench.command()
def capacity(
    quick: Annotated[bool, typer.Option("--quick", help="Shorter levels.")] = False,
    model: Annotated[str | None, typer.Option(help="Directory, hub name or bundled name (hermes-tiny).")] = None,
    video_unchanged: Annotated[
        Literal["keep", "skip", "both"], typer.Option(help="Frames that show nothing new; both: one system each.")
    ] = "both",
    quiet: Annotated[float | None, typer.Option(min=0, max=1, help="Share of such frames (0.9).")] = None,
    fps: Annotated[float | None, typer.Option(min=0.1, max=30, help="Pictures a second of each camera (2).")] = None,
    width: Annotated[int | None, typer.Option(min=32, max=3840, help="Of the pictures, pixels (640).")] = None,
    height: Annotated[int | None, typer.Option(min=32, max=2160, help="Of the pictures, pixels (360).")] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="Of each level (15).")] = None,
    max_lag_s: Annotated[float | None, typer.Option(min=0.1, help="Bound on the lag's 99th percentile (2).")] = None,
    max_ttft_s: Annotated[float | None, typer.Option(min=0.01, help="Bound on TTFT's 95th percentile (2).")] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="memory.budget_tokens (180, soon full).")] = None,
    first: Annotated[int | None, typer.Option(min=1, help="Cameras to begin with (4).")] = None,
    most: Annotated[int | None, typer.Option(min=1, max=10_000, help="Never more cameras than this (512).")] = None,
    json_file: JsonFile = None,
    verbose: Verbose = False,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the results (needs matplotlib).")] = None,
) -> None:
    """How many cameras this machine carries, and which part of it is full then.

    Starts a broker, a Ray and the whole system of its own; touches none that runs. Simulated cameras, encoded
    beforehand, are added until frames can be asked about too late, or questions wait too long; then the number is
    narrowed down. Exit code 0 whether the bar is cleared or not.
    """
    from hermes_ray.cli.bench.capacity import run_capacity

    changes = {
        "model": model,
        "unchanged": None if video_unchanged == "both" else (video_unchanged,),
        "quiet": quiet,
        "fps": fps,
        "width_px": width,
        "height_px": height,
        "seconds": seconds,
        "max_lag_s": max_lag_s,
        "max_ttft_s": max_ttft_s,
        "budget_tokens": budget,
        "first": first,
        "most": most,
    }
    document = run_capacity(changes, quick=quick, picture=picture, verbose=verbose)
    _write(document, json_file)


@bench.command()
def placement(
    quick: Annotated[bool, typer.Option("--quick", help="1,000 streams on 10 workers.")] = False,
    streams: Annotated[int | None, typer.Option(min=1, help="Cameras (default 10,000).")] = None,
    workers: Annotated[int | None, typer.Option(min=2, help="Memory workers (default 50).")] = None,
    capacity: Annotated[int | None, typer.Option(min=1, help="Streams that a worker has room for (240).")] = None,
    move_seconds: Annotated[float | None, typer.Option(min=0.01, help="Of one stream's move (1.5).")] = None,
    restart_seconds: Annotated[float | None, typer.Option(min=0.1, help="Until a new process works (90).")] = None,
    snapshot_mib: Annotated[float | None, typer.Option(min=0.01, help="Size of a stream's snapshot (238).")] = None,
    json_file: JsonFile = None,
    verbose: Verbose = False,
) -> None:
    """A large cluster on paper: balance, failures, a rolling upgrade and growth, decided by the real placement code.

    No process is started. Put in what you measured: docs/scaling.md says by which commands. Exit code 0 whether the
    bars are cleared or not.
    """
    from hermes_ray.cli.bench.placement import run_placement

    changes = {
        "streams": streams,
        "workers": workers,
        "capacity": capacity,
        "move_s": move_seconds,
        "restart_s": restart_seconds,
        "snapshot_mib": snapshot_mib,
    }
    document = run_placement(changes, quick=quick, verbose=verbose)
    _write(document, json_file)


def _write(document: Mapping[str, object], path: Path | None) -> None:
    if path is not None:
        write_document(document, path)

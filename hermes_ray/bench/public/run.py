"""The whole run: the videos of a benchmark, one after the other, under all contenders."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hermes_ray.bench.machine import Machine
from hermes_ray.bench.public.contenders import Contender
from hermes_ray.bench.public.datasets.dataset import Dataset, DatasetName, Video
from hermes_ray.bench.public.journal import Journal, Unit
from hermes_ray.bench.public.judge import Judge
from hermes_ray.bench.public.protocol import Outcome, watch
from hermes_ray.bench.public.published import published
from hermes_ray.bench.public.scores import Result
from hermes_ray.bench.public.watching import Watcher, engine_for, watcher_for
from hermes_ray.errors import ConfigError, DatasetError, SourceError
from hermes_ray.models import ModelAdapter, fingerprint

SCHEMA = "hermes-bench-public/1"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run.

    Attributes:
        dataset: the benchmark.
        model: directory, hub name or bundled name.
        policies: the contenders; the others are compared with the first.
        budget_tokens: visual tokens that a policy keeps per layer.
        fps: frames per second of video time; ``None``: the benchmark's own.
        context_s: policies see only so much video time before a question; ``None``: all of it.
        videos: only the first so many; ``None``: all.
        shard: which of how many parts of the videos, from (1, 1).
        max_pixels_per_frame: for models that keep a frame's shape, the most pixels that they keep of it.
    """

    dataset: DatasetName
    model: str
    policies: tuple[str, ...]
    budget_tokens: int
    fps: float | None = None
    context_s: float | None = None
    videos: int | None = None
    shard: tuple[int, int] = (1, 1)
    max_pixels_per_frame: int | None = None


def chosen_videos(plan: Plan, dataset: Dataset, data: Path) -> list[Video]:
    """The videos of a plan; every file is there.

    Raises:
        DatasetError: annotations or videos are missing or not as published.
        ConfigError: the plan leaves no video.
    """
    part, parts = plan.shard
    videos = dataset.read(data)[part - 1 :: parts][: plan.videos]
    if not videos:
        raise ConfigError(f"--shard {part}/{parts}: no video is left; take fewer parts")
    missing = [video.path for video in videos if not video.path.is_file()]
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(videos)} videos are missing, the first is {missing[0]}; unpack them there "
            "(docs/research/public-benchmarks.md shows the layout), or run on fewer with --videos or --shard"
        )
    return videos


def subject(plan: Plan, dataset: Dataset, data: Path, adapter: ModelAdapter) -> dict[str, Any]:
    """Everything beside videos and contenders that decides the outcomes of a plan, for its journal."""
    return {
        "schema": SCHEMA,
        "dataset": dataset.name,
        "annotations": hashlib.sha256((data / dataset.annotations).read_bytes()).hexdigest(),
        "fps": plan.fps or dataset.fps,
        "max_pixels_per_frame": plan.max_pixels_per_frame,
        "weights": fingerprint(adapter.decoder),
        "dtype": str(adapter.dtype).removeprefix("torch."),
    }


def watch_all(
    plan: Plan,
    dataset: Dataset,
    videos: Sequence[Video],
    contenders: Sequence[Contender],
    adapter: ModelAdapter,
    journal: Journal,
    finished: Callable[[str], None],
) -> None:
    """Let every contender watch every video that it has not watched; outcomes go to the journal.

    A video that cannot be read does not keep the others from being watched.

    Args:
        plan: the run.
        dataset: the benchmark.
        videos: which ones.
        contenders: the policies.
        adapter: the model.
        journal: what is in it is not done again.
        finished: told the name of each video when all have watched it.

    Raises:
        DatasetError: some videos cannot be read; all others are watched.
        ConfigError: the budget does not fit the model.
        HermesError: an engine cannot go on.
    """
    unreadable: list[str] = []
    with ExitStack() as engines:
        watchers: dict[str, Watcher] = {}
        for video in videos:
            todo = [each for each in contenders if journal.outcomes(Unit.of(video.name, each)) is None]
            for each in todo:
                if each.name not in watchers:
                    engine = engines.enter_context(engine_for(each, adapter, dataset.max_tokens))
                    watchers[each.name] = watcher_for(each, engine)
            if todo:
                own = {each.name: watchers[each.name] for each in todo}
                try:
                    outcomes = watch(dataset, video, plan.fps or dataset.fps, own)
                except SourceError as error:
                    unreadable.append(str(error))
                    continue
                for each in todo:
                    journal.record(Unit.of(video.name, each), outcomes[each.name])
            finished(video.name)
    if unreadable:
        raise DatasetError(
            f"{len(unreadable)} of {len(videos)} videos cannot be read, the first: {unreadable[0]}; download or "
            "re-encode them and give the same command again, which with --resume watches only these"
        )


def judge_all(
    judge: Judge,
    videos: Sequence[Video],
    contenders: Sequence[Contender],
    journal: Journal,
    finished: Callable[[str], None],
) -> None:
    """Have every answer judged that has not been; verdicts go to the journal.

    Raises:
        DatasetError: the judge failed, or is not understood.
    """
    for video in videos:
        items = {item.key: item for item in video.items}
        for contender in contenders:
            unit = Unit.of(video.name, contender)
            for outcome in journal.outcomes(unit) or ():
                if outcome.correct is None:
                    correct, score = judge.verdict(items[outcome.key], outcome.response)
                    journal.judge(unit, outcome.key, correct=correct, score=score)
        finished(video.name)


def collected(videos: Sequence[Video], contenders: Sequence[Contender], journal: Journal) -> dict[str, list[Outcome]]:
    """All outcomes by contender, in the order of the videos."""
    return {
        each.name: [outcome for video in videos for outcome in journal.outcomes(Unit.of(video.name, each)) or ()]
        for each in contenders
    }


def report(
    machine: Machine,
    plan: Plan,
    dataset: Dataset,
    found: Sequence[Result],
    outcomes: Mapping[str, Sequence[Outcome]],
    *,
    seconds: float,
) -> dict[str, Any]:
    """All of one run as a JSON document."""
    return {
        "schema": SCHEMA,
        "seconds": round(seconds, 1),
        "machine": asdict(machine),
        "plan": {**asdict(plan), "fps": plan.fps or dataset.fps},
        "protocol": dataset.source,
        "results": [result.to_dict() for result in found],
        "published": [each.to_dict() for each in published(dataset.name)],
        "answers": {name: [asdict(outcome) for outcome in own] for name, own in outcomes.items()},
    }

"""One video under all contenders: it runs once, and every question is asked at its time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from hermes_ray.bench.batches import batches
from hermes_ray.bench.public.datasets.dataset import Dataset, Item, Video
from hermes_ray.bench.public.film import Film
from hermes_ray.bench.public.watching import Watcher
from hermes_ray.engine import Answer, Question

_FRAMES_TOGETHER = 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one contender answered to one item.

    Attributes:
        video: name of the video.
        key: of the item.
        split: of the item.
        task: of the item.
        response: the whole answer.
        frames_seen: frames that the memory which was asked had seen.
        cached_tokens: visual tokens per layer that it held.
        correct: whether it is right; ``None`` where a judge has to say and has not.
        score: what the judge gives it, 0 to 5.
    """

    video: str
    key: str
    split: str
    task: str
    response: str
    frames_seen: int
    cached_tokens: int
    correct: bool | None = None
    score: int | None = None


def watch(dataset: Dataset, video: Video, fps: float, watchers: Mapping[str, Watcher]) -> dict[str, list[Outcome]]:
    """Let contenders watch a video and answer its questions, in the order of time.

    No memory has seen a frame of the time of a question or later. The video is decoded once, up to its last question.

    Args:
        dataset: the benchmark.
        video: one of its videos.
        fps: frames per second of video time.
        watchers: by contender; ready for a new video before and behind.

    Returns:
        Outcomes by contender, in the order of time.

    Raises:
        SourceError: the video cannot be read.
        HermesError: an engine cannot go on.
    """
    film = Film(video.path, fps)
    outcomes: dict[str, list[Outcome]] = {name: [] for name in watchers}
    try:
        for at_s, asked in groupby(sorted(video.items, key=_time), key=_time):
            for frames in batches(film.before(at_s), _FRAMES_TOGETHER):
                for watcher in watchers.values():
                    watcher.show(frames)
            items = list(asked)
            questions = [Question(item.prompt, max_tokens=dataset.max_tokens) for item in items]
            for name, watcher in watchers.items():
                answers, tokens = watcher.ask(questions)
                outcomes[name] += _outcomes(dataset, video, items, answers, tokens)
    finally:
        for watcher in watchers.values():
            watcher.forget()
    return outcomes


def _time(item: Item) -> float:
    return item.at_s


def _outcomes(
    dataset: Dataset, video: Video, items: Sequence[Item], answers: Sequence[Answer], tokens: int
) -> list[Outcome]:
    return [
        Outcome(
            video=video.name,
            key=item.key,
            split=item.split,
            task=item.task,
            response=answer.text,
            frames_seen=answer.frames_seen,
            cached_tokens=tokens,
            correct=dataset.is_right(item, answer.text) if dataset.is_right else None,
        )
        for item, answer in zip(items, answers, strict=True)
    ]

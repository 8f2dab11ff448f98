"""Open answers as a file that the published judging scripts read."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from hermes_ray.bench.public.datasets.dataset import Video
from hermes_ray.bench.public.protocol import Outcome
from hermes_ray.errors import ConfigError

_COLUMNS = ("video_id", "question", "answer", "pred_answer")


def write_predictions(folder: Path, videos: Sequence[Video], outcomes: Mapping[str, Sequence[Outcome]]) -> None:
    """Write ``CONTENDER.csv`` for each contender, as ReKV's ``video_qa/eval/eval_open_ended.py --pred_path`` takes it.

    Args:
        folder: created if it is not there.
        videos: with the questions and the right answers.
        outcomes: by contender.

    Raises:
        ConfigError: nothing can be written there.
    """
    items = {item.key: item for video in videos for item in video.items}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, own in outcomes.items():
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(_COLUMNS)
                for outcome in own:
                    item = items[outcome.key]
                    # As published: without line breaks.
                    rows.writerow([outcome.video, item.question, item.answer, outcome.response.replace("\n", "")])
    except OSError as error:
        raise ConfigError(f"--predictions: cannot write into {folder}: {error.strerror}") from error

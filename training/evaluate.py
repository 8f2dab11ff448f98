"""Measures a checkpoint on worlds that training never saw: ``python -m training.evaluate --frames 24 --clips 200``.

An answer is right if greedy decoding gives exactly the right words. The whole history is in the cache (policy `full`).
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import torch

from hermes_ray.models.tiny.architecture import build_model
from hermes_ray.video.world import TASKS
from training.checkpoints import load_bundled, newest_checkpoint, restore
from training.clips import make_clip
from training.feed import HELD_OUT_SEEDS
from training.packing import Packer
from training.run import DEFAULT_DIRECTORY
from training.trainee import Trainee

_CLIPS_PER_BATCH = 8
_QUESTIONS_PER_CLIP = 16


def measure(
    trainee: Trainee, *, frames: int, clips: int, quiet: bool = False, lapse: bool = False
) -> dict[str, tuple[int, int]]:
    """Return per task how many questions were answered right and how many were asked, every task alike."""
    packer, right, asked = Packer(), Counter[str](), Counter[str]()
    even = dict.fromkeys(TASKS, 1.0)
    for first in range(0, clips, _CLIPS_PER_BATCH):
        seeds = range(HELD_OUT_SEEDS + first, HELD_OUT_SEEDS + min(first + _CLIPS_PER_BATCH, clips))
        batch = packer.pack(
            [make_clip(seed, frames, _QUESTIONS_PER_CLIP, even, quiet=quiet or lapse, lapse=lapse) for seed in seeds]
        )
        with torch.no_grad():
            outcome = trainee(batch)
        for tasks, correct in zip(batch.tasks, outcome.correct, strict=True):
            asked.update(tasks)
            right.update(task for task, is_right in zip(tasks, correct, strict=True) if is_right)
    return {task: (right[task], asked[task]) for task in TASKS}


def by_topic(scores: dict[str, tuple[int, int]]) -> dict[str, float]:
    """Return the share of right answers per topic, each task counting alike."""
    shares: dict[str, list[float]] = {}
    for task, (right, asked) in scores.items():
        shares.setdefault(TASKS[task][0], []).append(right / max(1, asked))
    return {topic: sum(values) / len(values) for topic, values in shares.items()}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="by default the newest of the default training directory")
    parser.add_argument("--bundled", action="store_true", help="the package's weights instead of a checkpoint")
    parser.add_argument("--frames", type=int, nargs="+", default=[8, 16, 24])
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--quiet", action="store_true", help="clips in which something comes only now and then")
    parser.add_argument("--lapse", action="store_true", help="clips that leave out most of what shows nothing")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    trainee = Trainee(build_model(0), Packer().prefix).eval()
    name = _load(trainee, options, parser)
    results = {
        frames: measure(trainee, frames=frames, clips=options.clips, quiet=options.quiet, lapse=options.lapse)
        for frames in options.frames
    }
    if options.json:
        print(json.dumps({"weights": name, "results": results}))  # noqa: T201
        return
    print(name)  # noqa: T201
    for frames, scores in results.items():
        print(f"{frames} frames: " + "  ".join(f"{topic} {share:.3f}" for topic, share in by_topic(scores).items()))  # noqa: T201
        print("   " + "  ".join(f"{task} {right / max(1, asked):.2f}" for task, (right, asked) in scores.items()))  # noqa: T201


def _load(trainee: Trainee, options: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """Fill in the weights that the options name; return what they are."""
    if options.bundled:
        load_bundled(trainee)
        return "the package's weights"
    checkpoint = options.checkpoint or newest_checkpoint(DEFAULT_DIRECTORY)
    if checkpoint is None:
        parser.error(f"there is no checkpoint in {DEFAULT_DIRECTORY}")
    progress = restore(checkpoint, trainee)
    return f"step {progress.step}, {progress.elapsed_s / 60:.0f} minutes of training"


if __name__ == "__main__":
    main()

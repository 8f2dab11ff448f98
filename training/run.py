"""Trains `hermes-tiny`, resuming from the newest checkpoint of its directory if there is one.

``python -m training.run --steps 9000`` trains on two CPU cores in the background of other work; it may be stopped
at any time and started again with the same command. ``--from-bundled`` goes on from the weights in the package where
there is no checkpoint: the last stage begins, with auxiliary heads and optimisers that know nothing yet.
"""

import argparse
import json
import logging
import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from hermes_ray.models.tiny.architecture import build_model
from training.checkpoints import load_bundled, newest_checkpoint, restore, save_checkpoint
from training.curriculum import STAGES, Progress, learning_rate, lesson, task_weights
from training.feed import ClipFeed
from training.optimiser import build_optimisers
from training.packing import Packer
from training.trainee import Outcome, Trainee

DEFAULT_DIRECTORY = Path.home() / ".cache" / "hermes-ray" / "training"
_CHECKPOINT_EVERY_S = 120.0
_LOG_EVERY_STEPS = 20
_EXTRA_WEIGHT = 0.3  # as the auxiliary heads of the other clips
_log = logging.getLogger("training")


class Run:
    """One training run and its files: checkpoints and ``metrics.jsonl``.

    Args:
        options: the command's arguments.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._packer = Packer()
        self._trainee = Trainee(build_model(options.seed), self._packer.prefix).train()
        self._optimisers = build_optimisers(self._trainee, lr=options.learning_rate)
        self._progress = Progress()
        self._stopping = False
        if (checkpoint := newest_checkpoint(options.out)) is not None:
            self._progress = restore(checkpoint, self._trainee, self._optimisers)
            _log.info("resumed from %s", checkpoint)
        elif options.from_bundled:
            load_bundled(self._trainee)
            self._progress.stage = len(STAGES) - 1

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Finish the current step, write a checkpoint and return from :meth:`train`."""
        self._stopping = True

    def train(self) -> None:
        """Train until ``--steps`` or until stopped."""
        progress, saved_at, began = self._progress, time.monotonic(), time.monotonic()
        spent_s = progress.elapsed_s
        with ClipFeed(self._options.seed) as feed:
            while progress.step < self._options.steps and not self._stopping:
                outcome = self._step(feed)
                progress.elapsed_s = spent_s + time.monotonic() - began
                if progress.step % _LOG_EVERY_STEPS == 0:
                    self._report(outcome)
                if progress.advance():
                    _log.info("stage %d begins: %s", progress.stage, STAGES[progress.stage])
                if time.monotonic() - saved_at > _CHECKPOINT_EVERY_S:
                    save_checkpoint(self._options.out, self._trainee, self._optimisers, progress)
                    saved_at = time.monotonic()
        save_checkpoint(self._options.out, self._trainee, self._optimisers, progress)

    def _step(self, feed: ClipFeed) -> Outcome:
        progress, options = self._progress, self._options
        torch.set_num_threads(_threads_to_use(options.threads))
        stage = lesson(progress.stage, progress.step)
        material = feed.clips(progress.step, progress.stage, task_weights(progress.accuracy))
        batch = self._packer.pack(
            material.clips,
            empty_share=stage.empty_share,
            whole_frames=stage.whole_frames,
            longest_stretch=stage.longest_stretch,
            seed=progress.step,
        )
        outcome = self._trainee(batch) if stage.questions else self._trainee.vision_loss(batch)
        self._trainee.zero_grad(set_to_none=True)
        outcome.loss.backward()
        if material.extra:
            (_EXTRA_WEIGHT * self._trainee.vision_loss(self._packer.pack(material.extra)).loss).backward()
        torch.nn.utils.clip_grad_norm_(self._trainee.parameters(), 1.0)
        self._learn(self._learning_rate())
        if outcome.correct:
            progress.record(batch.tasks, outcome.correct)
        return outcome

    def _learning_rate(self) -> float:
        return learning_rate(
            self._progress.step,
            peak=self._options.learning_rate,
            total_steps=self._options.steps,
            decay_share=self._options.decay_share,
        )

    def _learn(self, rate: float) -> None:
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()

    def _report(self, outcome: Outcome) -> None:
        progress = self._progress
        line: dict[str, Any] = {
            "step": progress.step,
            "elapsed_s": round(progress.elapsed_s, 1),
            "stage": progress.stage,
            "learning_rate": self._learning_rate(),
            "loss": round(outcome.loss.item(), 4),
            "answer_loss": round(outcome.answer_loss, 4),
            "heads": {name: round(value, 3) for name, value in outcome.head_losses.items()},
            "accuracy": {task: round(value, 3) for task, value in progress.accuracy.items()},
        }
        with (self._options.out / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        topics = "  ".join(f"{topic} {progress.mean_accuracy(topic):.3f}" for topic in ("now", "past", "count"))
        _log.info(
            "step %d  stage %d  %.0f s  loss %.3f  answers %.3f  %s",
            *(progress.step, progress.stage, progress.elapsed_s, line["loss"], line["answer_loss"], topics),
        )


def _threads_to_use(most: int) -> int:
    """Return ``most``, or 1 while the machine is busy, when threads would mostly wait for each other."""
    busy = os.getloadavg()[0] > (os.cpu_count() or 1) + 1.2  # the run itself counts for up to that many and one more
    return 1 if busy else most


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_DIRECTORY, help="directory of checkpoints and metrics")
    parser.add_argument("--seed", type=int, default=0, help="of weights and clips, below 1024")
    parser.add_argument("--steps", type=int, required=True, help="total steps, those already done included")
    parser.add_argument("--from-bundled", action="store_true", help="begin with the package's weights, not with chance")
    parser.add_argument("--learning-rate", type=float, default=1.5e-3, help="peak")
    parser.add_argument("--decay-share", type=float, default=0.25, help="share of all steps over which the rate falls")
    parser.add_argument("--threads", type=int, default=2, help="most torch threads to use")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options.out.mkdir(parents=True, exist_ok=True)
    run = Run(options)
    signal.signal(signal.SIGTERM, run.stop)
    signal.signal(signal.SIGINT, run.stop)
    run.train()


if __name__ == "__main__":
    main()

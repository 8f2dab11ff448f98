"""Checkpoints of a training run: written atomically, the newest two kept. And the weights that the package has."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer
from transformers import LlavaOnevisionForConditionalGeneration

from hermes_ray.models.tiny import weights_directory
from training.curriculum import Progress
from training.trainee import Trainee

_KEPT = 2


def save_checkpoint(directory: Path, trainee: Trainee, optimisers: Sequence[Optimizer], progress: Progress) -> Path:
    """Write everything that a resumed run needs. A crash meanwhile leaves the older checkpoints as they are."""
    path = directory / f"checkpoint-{progress.step:08d}.pt"
    unfinished = path.with_suffix(".unfinished")
    state = {
        "trainee": trainee.state_dict(),
        "optimisers": [optimiser.state_dict() for optimiser in optimisers],
        "progress": asdict(progress),
        "torch_rng": torch.get_rng_state(),
    }
    with unfinished.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    for old in sorted(directory.glob("checkpoint-*.pt"))[:-_KEPT]:
        old.unlink()
    return path


def newest_checkpoint(directory: Path) -> Path | None:
    """Return the checkpoint of the highest step, if there is any."""
    return max(directory.glob("checkpoint-*.pt"), default=None)


def restore(path: Path, trainee: Trainee, optimisers: Sequence[Optimizer] = ()) -> Progress:
    """Load a checkpoint into ``trainee``, and with optimisers also into these and torch's random generator."""
    state: dict[str, Any] = torch.load(path, weights_only=True)
    trainee.load_state_dict(state["trainee"])
    for optimiser, saved in zip(optimisers, state["optimisers"], strict=False):
        optimiser.load_state_dict(saved)
    if optimisers:
        torch.set_rng_state(state["torch_rng"])
    return Progress(**state["progress"])


def load_bundled(trainee: Trainee) -> None:
    """Give ``trainee`` the weights that come with the package; the auxiliary heads stay as they are.

    Raises:
        MissingWeights: the package has none.
    """
    bundled = LlavaOnevisionForConditionalGeneration.from_pretrained(weights_directory(), dtype=torch.float32)
    trainee.model.load_state_dict(bundled.state_dict())

"""Writes a checkpoint's model as the bundled weights: ``python -m training.export``.

The auxiliary heads stay behind; what is written loads like any LLaVA-OneVision.
"""

import argparse
from pathlib import Path

import torch

import hermes_ray.models.tiny
from hermes_ray.models.tiny import save
from hermes_ray.models.tiny.architecture import build_model
from training.checkpoints import newest_checkpoint, restore
from training.packing import Packer
from training.run import DEFAULT_DIRECTORY
from training.trainee import Trainee

BUNDLED = Path(hermes_ray.models.tiny.__file__).parent / "weights"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="by default the newest of the default training directory")
    parser.add_argument("--out", type=Path, default=BUNDLED, help="by default the package's own weights directory")
    options = parser.parse_args()
    checkpoint = options.checkpoint or newest_checkpoint(DEFAULT_DIRECTORY)
    if checkpoint is None:
        parser.error(f"there is no checkpoint in {DEFAULT_DIRECTORY}")
    trainee = Trainee(build_model(0), Packer().prefix)
    progress = restore(checkpoint, trainee)
    save(trainee.model, options.out, dtype=torch.float16)
    print(f"step {progress.step} written to {options.out}")  # noqa: T201


if __name__ == "__main__":
    main()

"""Figures that others have published, to stand beside ours; each from a page that anybody can open.

Not here, as no such page was found: figures for RVS-Ego and RVS-Movie, and per-task figures of StreamingBench.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hermes_ray.bench.public.datasets.dataset import DatasetName

_HERMES = "HERMES, arXiv 2601.14724"
_SIMPLESTREAM = "SimpleStream, arXiv 2604.02317, table 1"


@dataclass(frozen=True, slots=True)
class Published:
    """What one method reached with one model, percent.

    Attributes:
        dataset: the benchmark.
        method: its name; ``model alone`` for the model without any memory; ``SimpleStream-4`` sees the last 4 frames.
        model: its name.
        splits: by split.
        overall: of the whole benchmark, as it defines it.
        tasks: by task.
        source: where it is published.
    """

    dataset: DatasetName
    method: str
    model: str
    source: str
    splits: Mapping[str, float] = field(default_factory=dict)
    overall: float | None = None
    tasks: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "method": self.method,
            "model": self.model,
            "splits": dict(self.splits),
            "overall": self.overall,
            "tasks": dict(self.tasks),
            "source": self.source,
        }


def _streaming(method: str, model: str, overall: float, source: str) -> Published:
    return Published(DatasetName.STREAMINGBENCH, method, model, source, {"real-time": overall}, overall)


def _ovo(method: str, model: str, real_time: str, backward: str, source: str = _SIMPLESTREAM) -> Published:
    """A row of the table: the tasks and, at the end, their average."""
    *now, now_average = map(float, real_time.split())
    *past, past_average = map(float, backward.split())
    names = ("OCR", "ACR", "ATR", "STU", "FPD", "OJR", "EPM", "ASI", "HLD")
    tasks: dict[str, float] = dict(zip(names, [*now, *past], strict=True)) if now else {}
    return Published(
        DatasetName.OVO_BENCH, method, model, source, {"real-time": now_average, "backward": past_average}, tasks=tasks
    )


PUBLISHED = (
    _streaming("HERMES", "Qwen2.5-VL-7B", 79.44, _SIMPLESTREAM),
    _streaming("model alone", "Qwen2.5-VL-7B", 73.31, _SIMPLESTREAM),
    _streaming("SimpleStream-4", "Qwen2.5-VL-7B", 78.47, _SIMPLESTREAM),
    _streaming("SimpleStream-4", "Qwen3-VL-8B", 80.59, _SIMPLESTREAM),
    _streaming("HERMES", "LLaVA-OV-7B", 73.2, _HERMES),
    _streaming("model alone", "LLaVA-OV-7B", 71.3, _HERMES),
    _ovo("HERMES", "Qwen2.5-VL-7B", "85.2 64.2 71.6 53.4 74.3 65.2 69.0", "48.5 62.2 37.6 49.4"),
    _ovo("model alone", "Qwen2.5-VL-7B", "67.8 55.1 67.2 42.1 66.3 60.9 59.9", "51.5 58.8 23.7 44.7"),
    _ovo("SimpleStream-4", "Qwen2.5-VL-7B", "94.0 72.5 80.2 68.0 76.2 79.3 78.4", "54.5 60.8 40.3 51.9"),
    _ovo("SimpleStream-4", "Qwen3-VL-8B", "94.0 85.3 82.8 65.7 77.2 83.2 81.4", "51.9 58.1 52.1 54.0"),
    _ovo("HERMES", "LLaVA-OV-7B", "66.3", "50.2", _HERMES),
    _ovo("model alone", "LLaVA-OV-7B", "63.1", "43.6", _HERMES),
    Published(DatasetName.VIDEOMME, "HERMES", "Qwen2.5-VL-7B", _HERMES, overall=60.6),
    Published(DatasetName.VIDEOMME, "model alone", "Qwen2.5-VL-7B", _HERMES, overall=64.5),
)


def published(dataset: DatasetName) -> list[Published]:
    """The figures for one benchmark."""
    return [each for each in PUBLISHED if each.dataset == dataset]

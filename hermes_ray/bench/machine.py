"""What a benchmark ran on: no figure means anything without it."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import torch

import hermes_ray


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and the software of one run.

    Attributes:
        started: when the run began, ISO 8601, UTC.
        processor: its name as the system tells it.
        cores: logical cores that this process may use.
        torch_threads: threads of one torch operation.
        memory_gib: physical memory.
        load_average: running processes before the run began, averaged over 1, 5 and 15 minutes. Well above 0 means
            that the machine was shared, and that absolute times are too long.
    """

    started: str
    processor: str
    cores: int
    torch_threads: int
    memory_gib: float
    load_average: tuple[float, float, float]
    python: str
    torch: str
    hermes_ray: str


def describe_machine() -> Machine:
    """Describe the machine now; call it before the work begins, for the load average."""
    return Machine(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        torch_threads=torch.get_num_threads(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        load_average=psutil.getloadavg(),
        python=platform.python_version(),
        torch=torch.__version__,
        hermes_ray=hermes_ray.__version__,
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

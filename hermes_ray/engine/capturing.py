"""Captures an engine's passes at its start, and compares each with the same pass run eagerly."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch

from hermes_ray.config import EngineSettings
from hermes_ray.engine.answering.batch import AnswerBatch
from hermes_ray.engine.answering.graphs.capturing import capture_readings
from hermes_ray.engine.attention.flash import FLASH, Flash, Kernels, packed_attention
from hermes_ray.engine.encoding.graphs.capturing import capture_frames, capture_vision
from hermes_ray.engine.encoding.ingest import FrameIngest
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.engine.graphs.capture import Capture, CudaCapture
from hermes_ray.engine.graphs.counts import PassCounts
from hermes_ray.engine.graphs.noise import slots_of_noise
from hermes_ray.memory.slab import KVSlab
from hermes_ray.models import ModelAdapter
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Capturing:
    """How passes are captured.

    Attributes:
        capture: makes passes repeatable.
        kernels: attention over sequences of any lengths.
    """

    capture: Capture
    kernels: Kernels


def default_capturing(settings: EngineSettings, slab: KVSlab) -> Capturing | None:
    """CUDA graphs where FlashAttention runs, unless the settings say no; ``None``: every pass runs eagerly."""
    if settings.cuda_graphs == "off" or packed_attention(slab) is not Flash:
        return None
    return Capturing(CudaCapture(slab.keys.device), FLASH)


@torch.inference_mode()
def capture_passes(
    adapter: ModelAdapter,
    writer: MemoryWriter,
    ingest: FrameIngest,
    answers: AnswerBatch,
    settings: EngineSettings,
    capturing: Capturing,
    counts: PassCounts,
    on_progress: Callable[[str], None],
) -> None:
    """Capture the passes of an engine that has seen nothing yet, and put them to use.

    Args:
        adapter: the model.
        writer: its memories.
        ingest: its frames.
        answers: its questions.
        settings: how much comes together.
        capturing: how.
        counts: where their passes are counted from then on.
        on_progress: is told what is being captured, for people.

    Raises:
        GraphMismatch: a pass computes something else than the eager one.
    """
    started_s = perf_counter()
    slab, most_frames = writer.slab, settings.max_frames_per_step

    def tell(what: str) -> None:
        log.info("capturing CUDA graphs", passes=what, seconds=round(perf_counter() - started_s, 1))
        on_progress(f"capturing CUDA graphs: {what}")

    with slots_of_noise(slab, min(most_frames, slab.shape.slots)) as slots:
        readings = capture_readings(
            answers.copies,
            adapter.decoder,
            adapter.rotary,
            slab,
            slots[0],
            most_tokens=settings.max_question_tokens,
            capture=capturing.capture,
            kernels=capturing.kernels,
            counts=counts,
            on_progress=tell,
        )
        frames = capture_frames(
            writer.encoder,
            adapter,
            slab,
            slots,
            writer.probes,
            most_frames=most_frames,
            thinned=writer.thins_out,
            capture=capturing.capture,
            kernels=capturing.kernels,
            counts=counts,
            on_progress=tell,
        )
    vision = capture_vision(
        adapter, most_frames=most_frames, capture=capturing.capture, counts=counts, on_progress=tell
    )
    answers.copies.graphs, writer.encoder.graphs = readings, frames
    if vision is not None:
        ingest.vision = vision
    log.info("CUDA graphs captured", seconds=round(perf_counter() - started_s, 1))

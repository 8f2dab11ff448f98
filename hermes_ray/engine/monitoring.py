"""What an engine tells of itself: its state, and what its thread measured while it worked."""

from collections.abc import Callable
from time import perf_counter

from hermes_ray.engine.answering.batch import AnswerBatch
from hermes_ray.engine.contracts import EngineStats
from hermes_ray.engine.encoding.ingest import FrameIngest
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.engine.graphs.counts import PassCounts
from hermes_ray.memory.slab import KVSlab
from hermes_ray.memory.tiers import Tier, layout
from hermes_ray.models import ModelAdapter
from hermes_ray.observability.distribution import SECONDS, SIZES, Distribution, Meter
from hermes_ray.observability.stats import EngineCounts, EngineState


class StepMeter:
    """How long the steps of one kind take and how much each does."""

    def __init__(self) -> None:
        self._seconds = Meter(SECONDS)
        self._sizes = Meter(SIZES)
        self._begun_s = 0.0

    def run(self, step: Callable[[], int]) -> None:
        """Run a step that returns how much it did; a step that had nothing to do is not counted."""
        started_s = perf_counter()
        if done := step():
            self._seconds.observe(perf_counter() - started_s)
            self._sizes.observe(done)

    def run_part(self, part: Callable[[], int | None]) -> None:
        """Run a part of a step that others may interrupt; it counts as one step once a part returns how much it did.

        Args:
            part: returns 0 while the step is not over, and ``None`` if there was nothing to do.
        """
        started_s = perf_counter()
        done = part()
        if done is not None:
            self._begun_s += perf_counter() - started_s
        if done:
            self._seconds.observe(self._begun_s)
            self._sizes.observe(done)
            self._begun_s = 0.0

    @property
    def seconds(self) -> Distribution:
        """Durations."""
        return self._seconds.read()

    @property
    def sizes(self) -> Distribution:
        """How much was done."""
        return self._sizes.read()


class EngineMonitor:
    """Reads the parts of one engine. Belongs to the engine's thread, but for :attr:`latest`.

    Attributes:
        frame_steps: of bringing frames into memories.
        answer_steps: of answering.
        latest: counts and state after the last step, replaced as one, so that any thread may read it.
    """

    def __init__(
        self,
        adapter: ModelAdapter,
        writer: MemoryWriter,
        ingest: FrameIngest,
        answers: AnswerBatch,
        passes: PassCounts,
    ) -> None:
        self._adapter = adapter
        self._writer = writer
        self._ingest = ingest
        self._answers = answers
        self._passes = passes
        self.frame_steps, self.answer_steps = StepMeter(), StepMeter()
        self.latest = self._read()

    def update(self) -> None:
        """A step has ended."""
        self.latest = self._read()

    def stats(self) -> EngineStats:
        """The state of the engine."""
        slab = self._writer.slab
        return EngineStats(
            model=self._adapter.name,
            device=str(self._adapter.device),
            policy=self._writer.policy.name,
            slots=slab.shape.slots,
            slots_used=slab.shape.slots - slab.slots_free,
            slab_bytes=slab.nbytes,
            frames_waiting=self._ingest.frames_waiting,
            questions_waiting=self._answers.waiting,
            questions_active=self._answers.active,
            frames_applied=self._ingest.frames_applied,
            questions_answered=self._answers.answered,
            streams_parked=self._writer.residency.parked,
        )

    def _read(self) -> tuple[EngineCounts, EngineState]:
        tokens = self._answers.tokens
        counts = EngineCounts(
            frames_applied=self._ingest.frames_applied,
            frames_unchanged=self._ingest.frames_unchanged,
            tokens_left_out=self._ingest.tokens_left_out,
            answers=self._answers.answered,
            prompt_tokens=tokens.prompt_tokens,
            answer_tokens=tokens.answer_tokens,
            frame_step=self.frame_steps.seconds,
            vision=self._ingest.vision_seconds.read(),
            frames_per_step=self.frame_steps.sizes,
            answer_step=self.answer_steps.seconds,
            answers_per_step=self.answer_steps.sizes,
            compaction=self._writer.compaction_seconds.read(),
            first_token=tokens.first.read(),
            next_token=tokens.next.read(),
            graph_passes=self._passes.replayed,
            eager_passes=self._passes.eager,
        )
        stats = self.stats()
        state = EngineState(
            model=stats.model,
            device=stats.device,
            policy=stats.policy,
            slots=stats.slots,
            slab_bytes=stats.slab_bytes,
            kv_tokens=_tokens_by_tier(self._writer.slab),
            streams_resident=stats.slots_used,
            streams_parked=stats.streams_parked,
            frames_waiting=stats.frames_waiting,
            questions_waiting=stats.questions_waiting,
            questions_active=stats.questions_active,
        )
        return counts, state


def _tokens_by_tier(slab: KVSlab) -> dict[str, int]:
    """Visual tokens in the slab, over all slots and all layers of each tier."""
    tiers = layout(slab.shape.layers)
    per_layer = sum(max(0, length - slab.prefix) for length in slab.lengths)
    layers = [tiers.tier(layer) for layer in range(slab.shape.layers)]
    return {tier.value: per_layer * layers.count(tier) for tier in Tier}

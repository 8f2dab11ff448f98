"""Settings of memories: how much of every stream is kept, and which part."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hermes_ray.config.section import Section as _Section

PolicyName = Literal[
    "hermes", "paper", "reference", "full", "recent_only", "sink_window", "uniform", "infinipot_v", "streammem"
]
HERMES_PRESETS = ("hermes", "paper", "reference")
"""Policies that ``memory.hermes`` may override."""


class HermesSettings(_Section):
    """Overrides of a HERMES preset; ``null`` leaves the preset's value. For experiments: docs/research/accuracy.md."""

    true_attention: bool | None = None
    """Score by the model's own attention to the guidance prompts, not by the prompts' bare embeddings."""
    value_weight: Annotated[float, Field(ge=0, le=1)] | None = None
    """A token's worth: share of the norm of its value against the attention it gets."""
    novelty_weight: Annotated[float, Field(ge=0, le=1)] | None = None
    """A token's worth: share of novelty (how little its key resembles its place in recent frames) against those two."""
    smoothing: Literal["identity", "index", "none"] | None = None
    """Which token of the next layer a score is smoothed with: the same token, the one at the same index, or none."""
    summary: Literal["counted", "averaged", "none"] | None = None
    """Evicted tokens of long-term layers: a protected weighted mean, a plain mean that may be evicted, or dropped."""
    summary_place: Literal["oldest", "last"] | None = None
    """Where the summary goes: to its oldest merged token's place, or behind the newest token."""
    w0: Annotated[float, Field(ge=0, le=1)] | None = None
    """Weight of recency in the first working layer."""
    w1: Annotated[float, Field(ge=0, le=1)] | None = None
    """Weight of recency that the end of the working tier approaches."""
    k_sensory: Annotated[float, Field(ge=0)] | None = None
    """Decay rate of recency in sensory layers."""
    k_end: Annotated[float, Field(ge=0)] | None = None
    """Decay rate of recency that the end of the working tier approaches; the preset's is the model family's."""
    gamma_sensory: Annotated[float, Field(ge=0, le=1)] | None = None
    """Smoothing in sensory layers: share of the next layer's score."""
    gamma_working: Annotated[float, Field(ge=0, le=1)] | None = None
    """Smoothing in working layers."""
    gamma_long_term: Annotated[float, Field(ge=0, le=1)] | None = None
    """Smoothing in long-term layers."""


class MemorySettings(_Section):
    """How much of every stream is kept, and which part."""

    policy: PolicyName = "hermes"
    """The memory policy; ``full`` never evicts and refuses frames when its slot is full (tests and short clips)."""
    budget_tokens: Annotated[int, Field(ge=1)] = 4096
    """The most visual tokens that a layer holds per stream, at rest. Sets GPU memory together with ``slots``."""
    slots: Annotated[int, Field(ge=1)] = 8
    """Streams whose memory is on the device at once, per worker."""
    host_streams: Annotated[int, Field(ge=0)] = 64
    """Streams more than slots whose idle memories wait in host memory, per worker; they come back when needed."""
    spill_directory: Path | None = None
    """Directory for the memories of still more streams; without it a worker refuses them. Emptied as it ends."""
    thumbnail_bytes: Annotated[int, Field(ge=0)] = 4 * 1024 * 1024
    """Bytes of host memory per stream for pictures of the frames that its memory holds, in snapshots too; 0 keeps
    none. Beyond it, first go those that the deep layers hold least of."""
    thumbnail_px: Annotated[int, Field(ge=16, le=1920)] = 320
    """Longer side of such a picture, pixels, if the frame is larger; about 5 to 20 KB at 320."""
    compaction_slack: Annotated[float, Field(ge=0, lt=1)] = 0.375
    """Share of the budget that each compaction frees; smaller evicts more finely, larger costs less."""
    recent_frames: Annotated[int, Field(ge=0)] = 4
    """Newest frames that ``hermes`` never evicts, and all that ``recent_only`` keeps. Frames that were left out as
    unchanged (``video.unchanged``) count: they show what the one before them shows."""
    unchanged_patches: Literal["keep", "drop"] = "keep"
    """What becomes of tokens whose place in the picture shows what the newest encoded token of that place shows:
    ``keep`` encodes them, ``drop`` leaves them out of the decoder, and frames without any news out of the vision tower
    too. Every ``video.max_gap_s`` a frame is encoded whole. ``hermes``, ``paper`` and ``reference`` then keep the
    newest token of every place; other policies may forget what stands still until the next whole frame."""
    positions: Literal["lazy", "eager"] | None = None
    """When cached tokens are re-numbered: at every compaction (``eager``), or only near the model's position limit
    (``lazy``: layer by layer; ``paper`` and ``reference`` all layers together). By default eager; lazy for those two
    and where positions are times and places (Qwen)."""
    keys: Literal["unrotated", "rotated"] = "unrotated"
    """How keys are cached: before the rotary embedding, or behind it and rounded at every re-numbering (to compare)."""
    hermes: HermesSettings = HermesSettings()
    """Overrides for the policies ``hermes``, ``paper`` and ``reference``."""

    @property
    def capacity(self) -> int | None:
        """Streams that a worker can hold; ``None``: any number."""
        return None if self.spill_directory is not None else self.slots + self.host_streams

    @model_validator(mode="after")
    def _overrides_have_an_effect(self) -> "MemorySettings":
        if self.policy not in HERMES_PRESETS and self.hermes != HermesSettings():
            raise ValueError(f"memory.hermes has no effect under policy {self.policy}")
        return self

"""Settings of how records become frames."""

from typing import Annotated, Literal

from pydantic import Field

from hermes_ray.config.section import Section as _Section


class VideoSettings(_Section):
    """How records become frames, and the limits that keep a hostile one harmless."""

    target_fps: Annotated[float, Field(gt=0, le=60)] = 2.0
    """Frames per second of capture time that each stream's memory sees; the rest is skipped."""
    unchanged: Literal["keep", "skip"] = "keep"
    """What becomes of frames that show what the newest encoded one shows: ``keep`` encodes every frame, ``skip`` only
    those with something new in them. Memories, times and counts move on with every frame either way."""
    max_gap_s: Annotated[float, Field(gt=0)] = 10.0
    """With ``skip``, a frame that was captured so long after the newest encoded one is encoded whatever it shows,
    seconds. Slow changes of light that nobody would call news are seen at least so often. With
    ``memory.unchanged_patches: drop`` likewise a whole frame behind the newest whole one."""
    when_behind: Literal["lag", "shed"] = "lag"
    """What becomes of a live stream that falls behind by more than ``max_lag_s``: ``lag`` keeps every frame and lets it
    wait; ``shed`` lowers the stream's frame rate until it has caught up."""
    max_lag_s: Annotated[float, Field(gt=0)] = 10.0
    """How long records of a live stream may wait in Kafka before ``shed`` leaves frames out, seconds."""
    max_clock_skew_s: Annotated[float, Field(gt=0)] = 300.0
    """How far a camera's clock may be ahead of its records' timestamps in Kafka, seconds; beyond it they become dead
    letters. A stream whose capture times fall back by more goes on with them after about 3 s: a clock was set back;
    by less, its frames are left out as late until they have caught up."""
    max_side_px: Annotated[int, Field(ge=32)] = 640
    """Decoded frames are shrunk so that their longer side is at most this, pixels, before they travel to a worker."""
    max_encoded_bytes: Annotated[int, Field(ge=1024)] = 8 * 1024 * 1024
    """Largest encoded picture or segment, bytes."""
    max_pixels: Annotated[int, Field(ge=1024)] = 3840 * 2160
    """Largest picture, pixels, judged before decoding where the container says it."""
    max_segment_frames: Annotated[int, Field(ge=1)] = 600
    """Most frames decoded from one segment."""
    max_segment_seconds: Annotated[float, Field(gt=0)] = 60.0
    """Longest segment, seconds of video."""
    max_decode_load: Annotated[float, Field(gt=0)] = 1.0
    """CPU seconds that decoding a record may take for each second of its video, and for a shorter one or a picture. A
    camera beyond it would hold up all others of its ingest worker."""

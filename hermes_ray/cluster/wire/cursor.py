"""How far a stream's records are in its memory: what is stored with every snapshot, and where replay goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from hermes_ray.cluster.wire.protocol import FramePosition, Mark, is_done_with
from hermes_ray.cluster.wire.stream_settings import StreamSettings
from hermes_ray.standing.watch import Watch
from hermes_ray.video.sampling import SamplerState


@dataclass(frozen=True, slots=True)
class StreamCursor:
    """What a memory has seen of its stream.

    Attributes:
        log: identifies the topic that ``positions`` belong to; empty before the first mark.
        positions: per partition the newest frame looked at, sampled or not. Whatever is at or before it is done with.
        sampler: sampling after that frame; ``None`` before the first mark.
        lost_records: as in the newest mark.
        erased: per partition of ``log`` the offset below which records are of a stream of that name that was erased,
            whoever reads them, and whenever.
        settings: what is set for this stream, from here on.
        watch: what standing questions and the journal have found by here, and which of it is still to be published.
    """

    log: str = ""
    positions: Mapping[int, FramePosition] = field(default_factory=dict)
    sampler: SamplerState | None = None
    lost_records: int = 0
    erased: Mapping[int, int] = field(default_factory=dict)
    settings: StreamSettings = field(default_factory=StreamSettings)
    watch: Watch = field(default_factory=Watch)

    @property
    def is_erased(self) -> bool:
        """Whether the stream was erased and nothing of it has come since."""
        return bool(self.erased) and not self.positions

    def covers(self, log: str, position: FramePosition) -> bool:
        """Whether the frame at a position has been looked at, or was erased before anybody did."""
        return log == self.log and is_done_with(self.positions, self.erased, position)

    def repeats(self, log: str, positions: Sequence[FramePosition]) -> int:
        """How many frames at the head of a batch are covered; positions are in the stream's order."""
        return next((n for n, position in enumerate(positions) if not self.covers(log, position)), len(positions))

    def is_past(self, ts_ms: Sequence[int], clock_steps: Sequence[int]) -> bool:
        """Whether the stream's memory has a frame that is not older than the first of these.

        Whoever resumes the stream samples behind that frame; so they come from one who did not know of it.

        Args:
            ts_ms: capture times, ms since epoch.
            clock_steps: how often the clock of the stream had been set by then. After a step times may be earlier.
        """
        if not ts_ms or self.sampler is None or self.sampler.kept == 0:
            return False
        return (clock_steps[0], ts_ms[0]) <= (self.sampler.clock_steps, self.sampler.newest_kept_ms)

    def advanced(self, mark: Mark) -> Self:
        """The cursor after a mark. One that is covered changes nothing; one of another topic voids the positions."""
        if self.covers(mark.log, mark.position):
            return self
        former, erased = (self.positions, self.erased) if mark.log == self.log else ({}, {})
        positions = {**former, mark.position.partition: mark.position}
        return type(self)(mark.log, positions, mark.sampler, mark.lost_records, erased, self.settings, self.watch)

    def emptied(self, stream_id: str) -> Self:
        """The cursor of a memory that forgets what it has seen, and goes on behind it.

        Args:
            stream_id: whose memory.
        """
        watch = self.watch.begun_anew(stream_id)
        return type(self)(self.log, self.positions, erased=self.erased, settings=self.settings, watch=watch)

    def erased_up_to(self, log: str, ends: Mapping[int, int]) -> Self:
        """The cursor of a stream of which everything up to now is erased, read or not.

        Args:
            log: identifies the frames topic.
            ends: of each of its partitions, the offset that the next record will get.
        """
        erased = dict(ends)
        if log == self.log:
            looked_at = {partition: newest.offset + 1 for partition, newest in self.positions.items()}
            for known in (looked_at, self.erased):
                erased |= {partition: max(end, erased.get(partition, 0)) for partition, end in known.items()}
        return type(self)(log, erased=erased)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        sampler = None if self.sampler is None else asdict(self.sampler)
        return {
            "log": self.log,
            "positions": [list(p) for p in self.positions.values()],
            "sampler": sampler,
            "lost_records": self.lost_records,
            "erased": [list(end) for end in self.erased.items()],
            "settings": self.settings.to_json(),
            "watch": self.watch.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """From what :meth:`to_json` returned, in this release or an earlier one."""
        positions = [FramePosition(*position) for position in value["positions"]]
        sampler = None if value["sampler"] is None else SamplerState.from_json(value["sampler"])
        lost_records = value.get("lost_records", 0)
        erased = dict(value.get("erased", ()))
        by_partition = {position.partition: position for position in positions}
        settings = StreamSettings.from_json(value["settings"]) if "settings" in value else StreamSettings()
        watch = Watch.from_json(value["watch"]) if "watch" in value else Watch()
        return cls(value["log"], by_partition, sampler, lost_records, erased, settings, watch)

"""What a person has set for one stream alone: part of its cursor, so it survives restarts and moves."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from hermes_ray.engine.contracts import StreamStats
from hermes_ray.errors import InvalidRequest

MOST_LABELS = 32

Change = Mapping[str, Any]
"""A JSON merge patch (RFC 7396) of :class:`StreamSettings`: what is not named stays, ``None`` is the default again."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Where nothing is set, the system's own settings hold.

    Attributes:
        labels: for people and filters.
        fps: frames per second of capture time that sampling keeps; ``None``: ``video.target_fps``. It holds from the
            cursor on that it is part of, so a replay from there samples as the first reading did.
        retention_days: how long the stream may be silent before it is forgotten; ``None``:
            ``snapshots.expire_after_days``.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    fps: float | None = None
    retention_days: float | None = None

    def changed(self, change: Change) -> Self:
        """The settings after a change.

        Raises:
            InvalidRequest: there would be too many labels.
        """
        labels = dict(self.labels)
        if "labels" in change:
            given: Mapping[str, str | None] | None = change["labels"]
            labels = {} if given is None else {**labels, **given}
        labels = {name: value for name, value in labels.items() if value is not None}
        if len(labels) > MOST_LABELS:
            raise InvalidRequest(f"labels: {len(labels)} are too many, a stream has at most {MOST_LABELS}")
        return type(self)(
            dict(sorted(labels.items())),
            change.get("fps", self.fps),
            change.get("retention_days", self.retention_days),
        )

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """From what :meth:`to_json` returned."""
        return cls(dict(value["labels"]), value["fps"], value["retention_days"])


def check_possible(change: Change, memory: StreamStats) -> None:
    """Refuse what one stream alone cannot have: all memories of a worker lie in one slab, under one policy.

    Raises:
        InvalidRequest: names the value that fits.
    """
    for name, fits in (("policy", memory.policy), ("budget_tokens", memory.kv_budget)):
        if change.get(name, fits) not in (None, fits):
            raise InvalidRequest(f"{name}: only {fits} fits, since all streams share the setting memory.{name}")

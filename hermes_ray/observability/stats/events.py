"""What keeps events counts, and how it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class EventStats:
    """What keeps events, at one moment; counts are since its process started.

    Attributes:
        up: it answers, and reaches broker and database.
        stored: events written into the database.
        left_out: records that were not, by reason: ``repeated``, ``erased``, ``invalid``, ``lost``.
        failures: how often broker or database could not be reached or used.
        lag_records: records of the topic that wait; ``None`` where that is unknown.
        kept_bytes: of events and their pictures; ``None`` before they were first counted.
        delivered: events that each target took.
        given_up: deliveries to each target that were given up.
        behind_s: for how long the event has been tried that each target has not taken; 0 for none.
    """

    up: bool = False
    stored: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    failures: int = 0
    lag_records: int | None = None
    kept_bytes: int | None = None
    delivered: Mapping[str, int] = field(default_factory=dict)
    given_up: Mapping[str, int] = field(default_factory=dict)
    behind_s: Mapping[str, float] = field(default_factory=dict)

"""Which dead letters a command is about, and which of them may be published again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermes_ray.transport.dead_letter_topic import LetterId, StoredLetter


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are meant. Where a field is empty, any value is; letters match that match every field.

    Attributes:
        ids: the letters themselves.
        streams: keys of their records, as the list shows them.
        reasons: error codes.
    """

    ids: Collection["LetterId"] = ()
    streams: Collection[str] = ()
    reasons: Collection[str] = ()

    def matches(self, stored: "StoredLetter") -> bool:
        """Whether a letter is meant."""
        return (
            (not self.ids or stored.id in self.ids)
            and (not self.streams or stored.stream in self.streams)
            and (not self.reasons or stored.letter.reason in self.reasons)
        )


@dataclass(slots=True)
class Republication:
    """What becomes of every letter that was meant.

    Attributes:
        chosen: to be published again, in the topic's order.
        incomplete: cannot be: not all of the record was kept.
        returned: were published again before and came back.
        replaced: came back as another letter, or were written twice.
    """

    chosen: list["StoredLetter"] = field(default_factory=list)
    incomplete: list["StoredLetter"] = field(default_factory=list)
    returned: list["StoredLetter"] = field(default_factory=list)
    replaced: list["StoredLetter"] = field(default_factory=list)


def choose(letters: Sequence["StoredLetter"], meant: LetterFilter, *, again: bool) -> Republication:
    """Decide which letters to publish again.

    Args:
        letters: all of the topic, so that those that came back are recognised.
        meant: of these.
        again: those too that came back.
    """
    came_back = {stored.republished_from for stored in letters}
    seen: set[tuple[object, ...]] = set()
    plan = Republication()
    for stored in filter(meant.matches, letters):
        record = stored.letter.record
        # A worker that dies may write a letter twice. The time tells a topic from one made anew, and the headers tell
        # events from one another, which never got a place in theirs.
        original = (record.topic, record.partition, record.offset, record.timestamp_ms, record.key, record.headers)
        if str(stored.id) in came_back or original in seen:
            plan.replaced.append(stored)
        elif not stored.letter.complete:
            plan.incomplete.append(stored)
        elif stored.republished_from is not None and not again:
            plan.returned.append(stored)
        else:
            plan.chosen.append(stored)
        seen.add(original)
    return plan

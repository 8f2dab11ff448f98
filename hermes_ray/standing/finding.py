"""Events out of answers."""

from collections.abc import Iterable
from dataclasses import dataclass

from hermes_ray.config import StandingQuestion
from hermes_ray.engine.contracts import Answer, Question
from hermes_ray.standing.rule import Rule
from hermes_ray.standing.trigger import Trigger, judge
from hermes_ray.transport.event import Event, EventEvidence, EventKind, event_id


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer that is an event, without pictures yet.

    Attributes:
        event: the event.
        trigger: where its rule is from now on.
    """

    event: Event | None
    trigger: Trigger


def conclude(stream_id: str, rule: Rule, before: Trigger, after: Trigger, asked: Question, answer: Answer) -> Finding:
    """What an answer is.

    Args:
        stream_id: of which stream.
        rule: that was due.
        before: where it was when it was due.
        after: where it is, but for the answer.
        asked: what the engine was asked.
        answer: what it said.
    """
    evidence = tuple(EventEvidence(item.frame, item.weight, item.captured_ms) for item in answer.evidence)
    frame, captured_ms, source = answer.frames_seen - 1, answer.as_of_ms, rule.source
    if isinstance(source, StandingQuestion):
        probabilities = dict(zip(source.options, answer.option_probabilities, strict=True))
        after, verdict = judge(source, after, probabilities, captured_ms)
        kind, text, probability, since_ms = verdict.kind, verdict.answer, verdict.probability, None
    else:
        text = answer.text.strip()
        kind, probability = EventKind.JOURNAL if text else None, None
        since_ms = min(before.asked_ms, captured_ms)
    if kind is None:
        return Finding(None, after)
    event = Event(
        id=event_id(kind, rule.name, stream_id, frame, captured_ms),
        kind=kind,
        stream_id=stream_id,
        rule=rule.name,
        question=asked.text,
        answer=text,
        frame=frame,
        captured_ms=captured_ms,
        probability=probability,
        since_ms=since_ms,
        evidence=evidence,
    )
    return Finding(event, after)


def with_pictures(
    evidence: Iterable[EventEvidence], pictures: dict[int, bytes], most_bytes: int
) -> list[EventEvidence]:
    """Evidence with thumbnails, the heaviest first, as far as the bytes go.

    Args:
        evidence: heaviest first.
        pictures: JPEG by frame number.
        most_bytes: of all thumbnails together.
    """
    left, result = most_bytes, []
    for moment in evidence:
        jpeg = pictures.get(moment.frame)
        if jpeg is None or len(jpeg) > left:
            result.append(moment)
            continue
        left -= len(jpeg)
        result.append(EventEvidence(moment.frame, moment.weight, moment.captured_ms, jpeg))
    return result

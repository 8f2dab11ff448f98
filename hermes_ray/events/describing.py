"""An event in the words of the HTTP API, which webhooks and MQTT use too."""

from typing import Any

from hermes_ray.events.kept import KeptEvent
from hermes_ray.rfc3339 import rfc3339


def described(kept: KeptEvent) -> dict[str, Any]:
    """The fields of ``EventResponse``, as JSON has them."""
    event = kept.event
    return {
        "id": event.id,
        "kind": event.kind.value,
        "stream": event.stream_id,
        "rule": event.rule,
        "question": event.question,
        "answer": event.answer,
        "probability": event.probability,
        "frame": event.frame,
        "captured": rfc3339(event.captured_ms),
        "captured_ms": event.captured_ms,
        "since": None if event.since_ms is None else rfc3339(event.since_ms),
        "since_ms": event.since_ms,
        "evidence": [
            {
                "frame": moment.frame,
                "weight": moment.weight,
                "captured": None if moment.captured_ms is None else rfc3339(moment.captured_ms),
                "captured_ms": moment.captured_ms,
                "thumbnail": thumbnail_path(event.id, position) if position in kept.pictures else None,
            }
            for position, moment in enumerate(event.evidence)
        ],
        "model": event.model,
    }


def thumbnail_path(event_id: str, position: int) -> str:
    """Path of a picture of an event below the API's root.

    Args:
        event_id: which event.
        position: of the moment in its evidence, from 0.
    """
    return f"/v1/events/{event_id}/thumbnails/{position}.jpg"

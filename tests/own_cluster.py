"""Settings of a cluster of a test's own, on the Ray and the broker that the session shares."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from hermes_ray.config import Settings, load
from hermes_ray.transport.embedded import EmbeddedBroker


def own_cluster(broker: EmbeddedBroker, **sections: Mapping[str, Any]) -> Settings:
    """Names that no other test uses, random weights and a memory of a few frames.

    Args:
        broker: the session's.
        sections: settings beside or instead of these, by section.
    """
    unique = uuid4().hex[:8]
    own: dict[str, dict[str, Any]] = {
        "model": {"name": "hermes-tiny-random", "device": "cpu"},
        "memory": {"budget_tokens": 64},
        "kafka": {
            "bootstrap_servers": broker.bootstrap_servers,
            "frames_topic": f"frames-{unique}",
            "dead_letters_topic": f"dead-letters-{unique}",
            "events_topic": f"events-{unique}",
            "group_id": f"group-{unique}",
            "request_timeout_s": 5.0,
        },
        "events": {"database": None},  # a process less
        "cluster": {"namespace": f"test-{unique}", "memory_worker_cpus": 0.5, "torch_threads": 1},
    }
    for section, values in sections.items():
        own[section] = {**own.get(section, {}), **values}
    return load(overrides=own)

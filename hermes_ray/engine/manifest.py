"""What an exported memory says of itself beside what every snapshot says (model, policy, budget)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import hermes_ray
from hermes_ray.engine.contracts import StreamStats


def manifest_of(stats: StreamStats, now_s: float) -> Mapping[str, Any]:
    """For the snapshot's ``extra``: whose memory it is, how far it is, and who wrote it when.

    Args:
        stats: of the stream.
        now_s: the present time, seconds since epoch.
    """
    return {
        "manifest": {
            "stream": stats.stream_id,
            "frames_seen": stats.frames_seen,
            "as_of_ms": stats.as_of_ms,
            "exported_at": datetime.fromtimestamp(now_s, UTC).isoformat(timespec="seconds"),
            "release": hermes_ray.__version__,
        }
    }

"""How many streams have sent nothing for how long. Plain Python."""

from collections.abc import Iterable, Mapping

SILENCES_S = (60, 300, 3600, 86400)
"""A minute, five, an hour and a day: what an alert or a panel may ask for, seconds."""


def silent_streams(as_of_ms: Iterable[int | None], now_ms: float) -> Mapping[int, int]:
    """By length of silence in seconds, how many streams have a newest frame that is at least so old.

    A recording counts by its capture times, and so is as silent as it is old.

    Args:
        as_of_ms: capture time of each stream's newest frame, ms since epoch; ``None`` before the first.
        now_ms: the present time, ms since epoch.
    """
    ages_s = [(now_ms - ts_ms) / 1000 for ts_ms in as_of_ms if ts_ms is not None]
    return {silence_s: sum(age_s >= silence_s for age_s in ages_s) for silence_s in SILENCES_S}

"""Where a page of a list ends, as a text that callers hand back and need not understand."""

import base64
import binascii
import json

from hermes_ray.errors import InvalidRequest

_MOST_VALUE = 2**53
"""Up to there JSON numbers are exact everywhere (RFC 8259, section 6); no list is sorted by more."""

Place = tuple[float | None, str]
"""Value that a stream is sorted by, and its id."""


def write_cursor(order: str, last: Place) -> str:
    """The text that stands for a place.

    Args:
        order: by what the list is sorted.
        last: of the page's last stream.
    """
    return base64.urlsafe_b64encode(json.dumps([order, *last]).encode()).decode().rstrip("=")


def read_cursor(text: str, order: str) -> Place:
    """The place that a text stands for.

    Raises:
        InvalidRequest: it is none of ours, or of a list in another order.
    """
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest("cursor: not a cursor; send the `next` of a former page, or none") from error
    match found:
        case [str(made_for), None | int() | float() as value, str(stream_id)] if _is_value(value):
            if made_for != order:
                raise InvalidRequest(f"cursor: made for sort={made_for}; send it with the same sort")
            return value, stream_id
    raise InvalidRequest("cursor: not a cursor; send the `next` of a former page, or none")


def _is_value(value: float | None) -> bool:
    # Of infinity and NaN too: neither is within the bounds.
    return value is None or (not isinstance(value, bool) and -_MOST_VALUE <= value <= _MOST_VALUE)

"""What a list of streams may be asked for, in the words of a URL's query."""

from typing import Annotated

from pydantic import Field

from hermes_ray.api.listing.order import Order
from hermes_ray.api.listing.page import MOST_ON_A_PAGE, StreamFilter
from hermes_ray.api.schemas.base import Schema
from hermes_ray.cluster.wire.stream_state import StreamState

_MOST_VALUES = 64
_Name = Annotated[str, Field(min_length=1, max_length=128)]
_Label = Annotated[str, Field(min_length=1, max_length=320)]


class StreamListQuery(Schema):
    """Which streams, in which order, and which page of them. Filters of several kinds must all hold."""

    id: Annotated[list[_Name], Field(default_factory=list, max_length=_MOST_VALUES)]
    """Ids, or patterns such as ``dock-*`` (``*``, ``?``, ``[abc]``). May be repeated: any of them."""
    state: Annotated[list[StreamState], Field(default_factory=list, max_length=_MOST_VALUES)]
    """States. May be repeated: any of them."""
    worker: Annotated[list[_Name], Field(default_factory=list, max_length=_MOST_VALUES)]
    """Names of the workers that hold the memories. May be repeated: any of them."""
    label: Annotated[list[_Label], Field(default_factory=list, max_length=_MOST_VALUES)]
    """``NAME=VALUE``, or ``NAME`` for any value. May be repeated: all of them."""
    sort: Order = Order.ID
    """What comes first: the smallest, or with ``-`` before it the largest. ``age`` is of the newest frame. Streams
    without such a value come last, equals by id."""
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = MOST_ON_A_PAGE
    """The most streams on a page."""
    cursor: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """``next`` of the page before; without it the first page. Filters and order must be those of that page."""

    def to_filter(self) -> StreamFilter:
        """Which streams are meant."""
        labels = [
            (name, value if equals else None) for name, equals, value in (one.partition("=") for one in self.label)
        ]
        return StreamFilter(self.id, self.state, self.worker, labels)

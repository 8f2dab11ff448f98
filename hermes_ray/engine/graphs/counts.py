"""How often passes were repeated from a graph, and how often they ran eagerly because none fitted."""

from dataclasses import dataclass


@dataclass(slots=True)
class PassCounts:
    """Passes of an engine since its start, all kinds together; none without graphs.

    Attributes:
        replayed: as a graph.
        eager: larger than every graph, or with something in them that no graph has.
    """

    replayed: int = 0
    eager: int = 0

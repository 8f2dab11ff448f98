"""Which ingest worker reads which partitions."""

from collections.abc import Collection, Mapping, Sequence
from itertools import islice


def assign_partitions(
    partitions: Collection[int], workers: Sequence[str], current: Mapping[str, Collection[int]]
) -> dict[str, frozenset[int]]:
    """Spread partitions evenly and move as few as possible.

    Args:
        partitions: of the topic.
        workers: who may read; nobody else gets any.
        current: who reads what now.

    Returns:
        For every worker its partitions; counts differ by at most one, and a partition changes hands only where
        its reader is gone or has more than its share.
    """
    if not workers:
        return {}
    share, larger = divmod(len(partitions), len(workers))
    held = {worker: sorted(set(current.get(worker, ())) & set(partitions)) for worker in workers}
    # Whoever holds most keeps the larger shares, so that fewest move; names make the choice repeatable.
    by_load = sorted(workers, key=lambda worker: (-len(held[worker]), worker))
    quota = {worker: share + (rank < larger) for rank, worker in enumerate(by_load)}

    assigned: dict[str, set[int]] = {}
    taken: set[int] = set()
    for worker in workers:
        kept = [partition for partition in held[worker] if partition not in taken][: quota[worker]]
        assigned[worker] = set(kept)
        taken.update(kept)
    free = iter(sorted(set(partitions) - taken))
    for worker in workers:
        missing = quota[worker] - len(assigned[worker])
        assigned[worker].update(islice(free, missing))
    return {worker: frozenset(mine) for worker, mine in assigned.items()}

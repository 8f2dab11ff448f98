"""Records that Kafka had removed before anybody read them. Plain Python over integers."""


class Gaps:
    """Ranges of offsets per partition, the newest few of each."""

    MOST = 16

    def __init__(self) -> None:
        self._ranges: dict[int, list[tuple[int, int]]] = {}

    def add(self, partition: int, start: int, end: int) -> int:
        """Records from ``start`` up to, not including, ``end`` are gone; returns how many of them are news."""
        if end <= start:
            return 0
        news = end - start - self.between(partition, start, end)
        merged: list[tuple[int, int]] = []
        for low, high in sorted([*self._ranges.get(partition, ()), (start, end)]):
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        self._ranges[partition] = merged[-self.MOST :]
        return news

    def between(self, partition: int, start: int, end: int) -> int:
        """How many records from ``start`` up to, not including, ``end`` are gone."""
        ranges = self._ranges.get(partition, ())
        return sum(max(0, min(high, end) - max(low, start)) for low, high in ranges)

    def forget(self, partition: int) -> None:
        """The partition's offsets mean other records now: its topic was created anew."""
        self._ranges.pop(partition, None)

"""Which streams are in the slab: those used last; the others are parked and come back when they are needed."""

from collections import OrderedDict
from collections.abc import Sequence

from hermes_ray.engine.residency.parking import ParkingLot
from hermes_ray.engine.residency.stream_memory import StreamMemory, slot_of
from hermes_ray.errors import NoFreeSlot, SnapshotError
from hermes_ray.memory.slab import KVSlab
from hermes_ray.memory.view import MemoryView, copied


class Residency:
    """Moves memories between the slab and the parking lot, the least recently used out first.

    Args:
        slab: where memories are worked with.
        lot: where they wait.
        prefix: the protected prefix of every stream, written into each slot that a stream gets.
    """

    def __init__(self, slab: KVSlab, lot: ParkingLot, prefix: MemoryView) -> None:
        self._slab = slab
        self._lot = lot
        self._prefix = prefix
        self._resident: OrderedDict[str, StreamMemory] = OrderedDict()

    @property
    def parked(self) -> int:
        """Memories without a slot."""
        return self._lot.in_host_memory + self._lot.on_disk

    def bring(self, memories: Sequence[StreamMemory]) -> None:
        """Put memories into slots, all of them at once.

        Args:
            memories: at most as many as the slab has slots.

        Raises:
            NoFreeSlot: slots are taken by memories that cannot be parked.
            SnapshotError: a parked memory cannot be read back.
        """
        wanted = {memory.name for memory in memories}
        for memory in memories:
            if memory.slot is None:
                self._enter(memory, wanted)
            self._resident[memory.name] = memory
            self._resident.move_to_end(memory.name)

    def forget(self, memory: StreamMemory) -> None:
        """End a stream, wherever its memory is."""
        self._lot.discard(memory.name)
        if memory.slot is not None:
            self._slab.release(memory.slot)
            del self._resident[memory.name]
            memory.slot = None

    def close(self) -> None:
        """Forget what is parked, files included."""
        self._lot.clear()

    def _enter(self, memory: StreamMemory, wanted: set[str]) -> None:
        if memory.tokens > 0 and memory.name not in self._lot:
            raise SnapshotError(f"the parked memory of stream {memory.name!r} is lost; drop the stream or restore it")
        # Out of the lot before another goes in: where all slots and all places are taken, the two change places.
        parked = self._lot.take(memory.name) if memory.name in self._lot else None
        if self._slab.slots_free == 0:
            try:
                self._leave(wanted)
            except (NoFreeSlot, SnapshotError):
                if parked is not None:
                    self._lot.put_back(memory.name, parked)
                raise
        memory.slot = self._slab.allocate()
        self._slab.begin(memory.slot, self._prefix)
        if parked is not None:
            self._slab.replace(memory.slot, parked)

    def _leave(self, wanted: set[str]) -> None:
        """Park the memory that was not used for longest."""
        idle = next((name for name in self._resident if name not in wanted), None)
        if idle is None:
            raise NoFreeSlot(f"{len(wanted)} streams are needed at once; the slab has {self._slab.shape.slots} slots")
        leaving = self._resident[idle]
        slot = slot_of(leaving)
        memory = copied(self._slab.view(slot), "cpu")
        leaving.keep_thumbnails(memory)
        self._lot.put(idle, memory, leaving.thumbnails)
        self._slab.release(slot)
        del self._resident[idle]
        leaving.slot = None
        leaving.previewed = None

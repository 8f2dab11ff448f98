"""Which frames are safe: those in a snapshot that the store has, as the streams' owners say."""

from hermes_ray.cluster.ingest.delivery import Delivery
from hermes_ray.cluster.ingest.intake import RecordIntake
from hermes_ray.cluster.ingest.offsets import AwaitedFrame
from hermes_ray.cluster.wire.protocol import Durability


class DurableFrames:
    """For one thread.

    Args:
        delivery: asks the owners.
        intake: knows the streams that were resumed, and the topic.
    """

    def __init__(self, delivery: Delivery, intake: RecordIntake) -> None:
        self._delivery = delivery
        self._intake = intake
        self._durable: dict[str, Durability] = {}

    def survey(self) -> list[str]:
        """Learn what is safe by now.

        Returns:
            Streams whose owner does not know them any more, though nothing may be sent to it: it has restarted.
        """
        lost = []
        for answer in self._delivery.survey(self._intake.knows):
            for stream_id, epoch in answer.asked.items():
                durable = answer.durable.get(stream_id)
                if not (self._delivery.owns(stream_id, epoch) and self._intake.knows(stream_id)):
                    continue  # it has changed since the question
                if durable is None or durable.epoch != epoch:
                    lost.append(stream_id)
                else:
                    self._durable[stream_id] = durable
        return lost

    def forget(self, stream_id: str) -> None:
        """Nothing of the stream is known to be safe until its owner says so."""
        self._durable.pop(stream_id, None)

    def holds(self, frame: AwaitedFrame) -> bool:
        """Whether a frame is safe."""
        durable = self._durable.get(frame.stream_id)
        if durable is None or durable.log != self._intake.log:
            return False
        newest = durable.positions.get(frame.position.partition)
        return newest is not None and frame.position <= newest

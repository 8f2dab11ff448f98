"""Which frames are safe: those in a snapshot that the store has, as the streams' owners say."""

from hermes_ray.cluster.ingest.delivery.delivery import Delivery
from hermes_ray.cluster.ingest.intake.streams import IngestStreams
from hermes_ray.cluster.ingest.partitions.offsets import AwaitedFrame


class DurableFrames:
    """For one thread.

    Args:
        delivery: asks the owners.
        streams: is told what is safe of each.
    """

    def __init__(self, delivery: Delivery, streams: IngestStreams) -> None:
        self._delivery = delivery
        self._streams = streams

    def survey(self) -> list[str]:
        """Learn what is safe by now.

        Returns:
            Streams whose owner does not know them any more, though nothing may be sent to it: it has restarted.
        """
        lost = []
        for answer in self._delivery.survey(self._streams.knows):
            for stream_id, epoch in answer.asked.items():
                durable = answer.durable.get(stream_id)
                if not (self._delivery.owns(stream_id, epoch) and self._streams.knows(stream_id)):
                    continue  # it has changed since the question
                if durable is None or durable.epoch != epoch:
                    lost.append(stream_id)
                else:
                    self._streams[stream_id].durable = durable
        return lost

    def holds(self, frame: AwaitedFrame) -> bool:
        """Whether a frame is safe."""
        return self._streams.holds_durably(frame.stream_id, frame.position)

"""From a Kafka partition to a confirmed frame."""

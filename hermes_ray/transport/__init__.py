"""The Kafka message format, producer, consumer and embedded broker."""

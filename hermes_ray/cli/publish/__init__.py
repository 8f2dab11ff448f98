"""``hermes publish``: from a camera or file to Kafka."""

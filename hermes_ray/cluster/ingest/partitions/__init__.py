"""Kafka's side: what is read of each partition, how far, and what may be committed. Knows no stream's state."""

"""``hermes dead-letters``."""

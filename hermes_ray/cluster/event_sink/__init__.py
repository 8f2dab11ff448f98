"""The actor that keeps events."""

"""Streams leave a worker: towards even loads, for a drain, and after the end of its process."""

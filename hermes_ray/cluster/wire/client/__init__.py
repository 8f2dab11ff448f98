"""How callers on the cluster read and ask streams. No worker needs it."""

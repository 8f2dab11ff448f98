"""``hermes bench memory``: what the memory costs, on a small model and on one of LLaVA-OneVision-0.5B's shape."""

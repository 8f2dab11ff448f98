"""``hermes bench engine``: how fast one engine is on this machine, beside transformers' own cache and the hardware."""

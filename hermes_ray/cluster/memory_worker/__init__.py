"""The actor around an engine: the streams it hosts, their snapshots, and the fence that guards them."""

"""``hermes bench public``: the published benchmarks of streaming video, each by its own protocol, on the engine."""

"""``hermes bench``: runs the benchmarks with progress on stderr and their tables on stdout."""

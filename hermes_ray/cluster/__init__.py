"""The Ray actors, in four rooms: `wire`, `control`, `ingest` and `memory_worker`."""

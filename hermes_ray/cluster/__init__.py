"""Ray actors: the Coordinator, ingest and memory workers, placement and bring-up."""

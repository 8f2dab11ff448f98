"""Names of actors."""

COORDINATOR = "coordinator"
"""Name of the Coordinator in the cluster's namespace."""


def memory_worker_name(index: int) -> str:
    """Actor name of the memory worker with that number."""
    return f"memory-{index}"


def ingest_worker_name(index: int) -> str:
    """Actor name of the ingest worker with that number."""
    return f"ingest-{index}"

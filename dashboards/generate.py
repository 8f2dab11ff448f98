"""Writes the dashboards as JSON for Grafana: ``python -m dashboards.generate``. A test fails when they are stale."""

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import events, kafka_ingest, nodes, overview, workers

HERE = Path(__file__).parent


def files() -> dict[Path, str]:
    """Every dashboard's file and what it should hold."""
    built = {
        "overview.json": overview.dashboard(),
        "workers-and-memory.json": workers.dashboard(),
        "kafka-and-ingest.json": kafka_ingest.dashboard(),
        "standing-and-events.json": events.dashboard(),
        "nodes-and-gpus.json": nodes.dashboard(),
    }
    return {HERE / name: JSONEncoder(sort_keys=True, indent=2).encode(board) + "\n" for name, board in built.items()}


if __name__ == "__main__":
    for path, content in files().items():
        path.write_text(content, encoding="utf-8")

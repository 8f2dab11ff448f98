"""What Ray says of its nodes: GPUs, memory, actors. Its own metrics, which the chart's second PodMonitor scrapes."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.panels import Panel, Query, board

_RAY = 'job=~"($job)-ray"'
"""The second PodMonitor is named after the first, with -ray behind it."""


def _by_gpu(metric: str) -> str:
    return f"sum by (pod, GpuIndex) ({metric}{{{_RAY}}})"


def _by_pod(metric: str) -> str:
    return f"sum by (pod) ({metric}{{{_RAY}}})"


_GPUS = (
    Panel(
        "GPU utilization",
        "percent",
        "Share of time in which some kernel ran. Near 100 and frames waiting: the worker is saturated.",
        ("ray_node_gpus_utilization",),
        (Query(_by_gpu("ray_node_gpus_utilization"), "{{pod}} GPU {{GpuIndex}}"),),
    ),
    Panel(
        "GPU memory used",
        "mbytes",
        "Of the whole device. Memories take it when the worker starts; it does not grow while streams come.",
        ("ray_node_gram_used",),
        (Query(_by_gpu("ray_node_gram_used"), "{{pod}} GPU {{GpuIndex}}"),),
    ),
    Panel(
        "GPU memory free",
        "mbytes",
        "What a larger memory.slots or engine.max_questions could take.",
        ("ray_node_gram_available",),
        (Query(_by_gpu("ray_node_gram_available"), "{{pod}} GPU {{GpuIndex}}"),),
    ),
)

_NODES = (
    Panel(
        "CPU",
        "percent",
        "Of what the pod may use. Ingest pods near 100: decoding is the limit.",
        ("ray_node_cpu_utilization",),
        (Query(_by_pod("ray_node_cpu_utilization"), "{{pod}}"),),
    ),
    Panel(
        "Memory used",
        "percentunit",
        "Of the pod's limit. At 95 % Ray ends processes.",
        ("ray_node_mem_used", "ray_node_mem_total"),
        (Query(f"{_by_pod('ray_node_mem_used')} / {_by_pod('ray_node_mem_total')}", "{{pod}}"),),
    ),
    Panel(
        "Object store",
        "bytes",
        "Frames on their way between workers, by where they are. Anything in SPILLED: raise objectStoreMiB.",
        ("ray_object_store_memory",),
        (Query(f"sum by (Location) (ray_object_store_memory{{{_RAY}}})", "{{Location}}"),),
    ),
)

_ACTORS = (
    Panel(
        "Actors by state",
        "short",
        "PENDING_CREATION for minutes: no node has the GPU or the CPUs. RESTARTING: look at the worker's log.",
        ("ray_actors",),
        (Query(f'sum by (State) (ray_actors{{{_RAY}, Source="gcs"}})', "{{State}}"),),
    ),
)


def dashboard() -> Dashboard:
    """The dashboard."""
    return board(
        "hermes-nodes",
        "Nodes and GPUs",
        "What Ray says of its nodes. Empty where Ray's own metrics are not scraped.",
        [("GPUs", _GPUS), ("Nodes", _NODES), ("Ray", _ACTORS)],
    )

"""Rendered manifests as objects."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "hermes-ray"
VALUES_FILES = sorted(path.name for path in CHART.glob("values*.yaml"))

EVERYTHING: dict[str, Any] = {
    "config": {
        "kafka": {"bootstrap_servers": ""},
        "snapshots": {"url": "/snapshots/site-a"},
        "log": {"level": "DEBUG"},
    },
    "secrets": {
        "kafkaClientCertificate": {"name": "client"},
        "apiKeys": {"name": "api-keys"},
        "environment": [{"variable": "HF_TOKEN", "name": "hub", "key": "token"}],
    },
    "environment": [{"name": "OMP_NUM_THREADS", "value": "2"}],
    "rayService": {"tokenSecret": "ray-token"},
    "image": {
        "registry": "registry.example.com",
        "pullSecrets": ["pull"],
        "digests": {"cuda": "sha256:" + 64 * "a"},
    },
    "gcsFaultTolerance": {"enabled": True, "redisAddress": "redis:6379", "passwordSecret": {"name": "redis"}},
    "ingest": {"podLabels": {"team": "video"}, "affinity": {"podAntiAffinity": {}}, "nodeSelector": {"kind": "cpu"}},
    "memory": {"replicas": 2, "gpusPerPod": 2, "runtimeClassName": "nvidia", "priorityClassName": "video"},
    "cameras": {
        "enabled": True,
        "replicas": 2,
        "standingQuestions": True,
        "file": {"defaults": {"fps": 2}, "cameras": {"door": {"source": "rtsp://admin:${DOOR}@10.0.0.7/live"}}},
        "secretEnvironment": [{"variable": "DOOR", "name": "cameras", "key": "door"}],
        "podLabels": {"team": "video"},
        "extraVolumes": [{"name": "recordings", "persistentVolumeClaim": {"claimName": "recordings"}}],
        "extraVolumeMounts": [{"name": "recordings", "mountPath": "/recordings", "readOnly": True}],
    },
    "modelCache": {"existingClaim": "models"},
    "extraVolumes": [{"name": "snapshots", "persistentVolumeClaim": {"claimName": "snapshots"}}],
    "extraVolumeMounts": [{"name": "snapshots", "mountPath": "/snapshots"}],
    "serviceAccount": {"annotations": {"example.com/role": "reader"}},
    "ingress": {"enabled": True, "host": "video.example.com", "className": "nginx", "tlsSecret": "video-tls"},
    "networkPolicy": {
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
        "camerasEgress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/24"}}], "ports": [{"port": 554}]}],
    },
    "monitoring": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "rules": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboards": {"enabled": True},
    },
    "strimzi": {
        "enabled": True,
        "storageClass": "fast",
        "externalListener": {"type": "loadbalancer", "configuration": {"loadBalancerSourceRanges": ["10.0.0.0/8"]}},
        "cameraBytesPerSecond": 50_000_000,
    },
    "extraObjects": [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "{{ .Release.Name }}-extra"},
            "data": {"a": "b"},
        },
    ],
}
"""Values that turn every optional part on."""


def loaded(text: str) -> Iterator[Any]:
    """The documents of a text, by libyaml: hundreds of kilobytes are read again and again."""
    return yaml.load_all(text, Loader=yaml.CSafeLoader)


def values_of(file_name: str) -> dict[str, Any]:
    return next(loaded((CHART / file_name).read_text()))


@dataclass(frozen=True)
class Rendered:
    """The objects of one rendering, and the notes."""

    objects: tuple[dict[str, Any], ...]
    notes: str

    @classmethod
    def parse(cls, manifests: dict[str, str]) -> "Rendered":
        notes = next(text for path, text in manifests.items() if path.endswith("NOTES.txt"))
        texts = [text for path, text in sorted(manifests.items()) if not path.endswith("NOTES.txt")]
        return cls(tuple(item for text in texts for item in loaded(text) if item), notes)

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> dict[str, Any]:
        (found,) = [item for item in self.of_kind(kind) if name in (None, item["metadata"]["name"])]
        return found

    @property
    def api_service(self) -> dict[str, Any]:
        """The Service of the HTTP API."""
        (found,) = [item for item in self.of_kind("Service") if item["metadata"]["name"].endswith("-api")]
        return found

    @property
    def ray_service(self) -> dict[str, Any]:
        return self.one("RayService")

    @property
    def cluster(self) -> dict[str, Any]:
        return self.ray_service["spec"]["rayClusterConfig"]

    @property
    def pod_templates(self) -> dict[str, dict[str, Any]]:
        """Pod template of each group of Ray's pods."""
        workers = {group["groupName"]: group["template"] for group in self.cluster["workerGroupSpecs"]}
        return {"head": self.cluster["headGroupSpec"]["template"], **workers}

    @property
    def every_template(self) -> dict[str, dict[str, Any]]:
        """Those, and the pod template of each Deployment."""
        return self.pod_templates | {
            item["metadata"]["name"]: item["spec"]["template"] for item in self.of_kind("Deployment")
        }

    @property
    def network_policy(self) -> dict[str, Any]:
        """The one around Ray's pods."""
        (found,) = [item for item in self.of_kind("NetworkPolicy") if not item["metadata"]["name"].endswith("-cameras")]
        return found

    @property
    def serve_config(self) -> dict[str, Any]:
        return next(loaded(self.ray_service["spec"]["serveConfigV2"]))

    @property
    def settings_text(self) -> str:
        """The configuration file that the pods see."""
        return self.config_map["data"]["hermes.yaml"]

    @property
    def config_map(self) -> dict[str, Any]:
        """Of the settings."""
        (found,) = [item for item in self.of_kind("ConfigMap") if "hermes.yaml" in item["data"]]
        return found

    @property
    def changeable(self) -> dict[str, Any]:
        """Settings that a running cluster takes, and that win over the file."""
        (application,) = self.serve_config["applications"]
        return application["args"]

    def containers(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Group and container of Ray's pods."""
        yield from _containers(self.pod_templates)

    def every_container(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Those of every pod, with its key in :attr:`every_template`."""
        yield from _containers(self.every_template)


def _containers(templates: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, template in templates.items():
        for container in template["spec"]["containers"]:
            yield key, container


def leaves(tree: Any) -> Iterator[Any]:
    """Every value in nested mappings and lists."""
    if isinstance(tree, dict):
        for value in tree.values():
            yield from leaves(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from leaves(value)
    else:
        yield tree

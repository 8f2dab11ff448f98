"""What an upgrade does to a running cluster: KubeRay starts another one beside it only where that must be."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import helm_python
import pytest

from tests.deploy.rendering import EVERYTHING, Rendered

Values = dict[str, Any]
STORE: Values = {"config": {"snapshots": {"url": "s3://bucket/site"}}}

IN_PLACE: dict[str, Values] = {
    "a GPU pod more": {"memory": {"replicas": 3}},
    "the log level": {"config": {"log": {"level": "DEBUG"}}},
    "tolerations": {"memory": {"tolerations": [{"operator": "Exists"}]}},
    "who may call": {"networkPolicy": {"apiFrom": []}},
    "budgets": {"podDisruptionBudget": {"memory": 2}},
    "monitors": {"monitoring": {"podMonitor": {"enabled": True}, "rules": {"enabled": True}}},
    "cameras": {"cameras": {"enabled": True, "existingConfigMap": "mine", "replicas": 3}},
    "the service": {"service": {"type": "LoadBalancer", "port": 80}},
    "how long the old cluster stays": {"rayService": {"oldClusterDeletionDelaySeconds": 60}},
}
ANOTHER_CLUSTER: dict[str, Values] = {
    "an image": {"image": {"tag": "0.2.0"}},
    "a setting of the memories": {"config": {"memory": {"budget_tokens": 2048}}},
    "resources": {"memory": {"resources": {"limits": {"memory": "32Gi"}}}},
    "a mark that somebody sets, for a changed Secret": {"ingest": {"podAnnotations": {"rotated": "2026-11-27"}}},
    "GPUs of a pod": {"memory": {"gpusPerPod": 2}},
    "ingest workers, whose number is fixed when a cluster starts": {"ingest": {"replicas": 3}},
}


def hashed(rendered: Rendered) -> str:
    """What KubeRay 1.7 compares; its ``GenerateHashWithoutReplicasAndWorkersToDelete`` leaves out the rest."""
    cluster = copy.deepcopy(rendered.cluster)
    cluster.pop("upgradeStrategy", None)
    cluster.pop("suspend", None)
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        for key in ("replicas", "minReplicas", "maxReplicas"):
            group.pop(key, None)
        for key in ("tolerations", "schedulingGates"):
            group["template"]["spec"].pop(key, None)
    return json.dumps(cluster, sort_keys=True)


def merged(*trees: Values) -> Values:
    result: Values = {}
    for tree in trees:
        for key, value in tree.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


@pytest.mark.parametrize("change", IN_PLACE.values(), ids=list(IN_PLACE))
def test_what_a_running_cluster_can_take_starts_no_other(change: Values, render: Callable[..., Rendered]) -> None:
    before, after = render(STORE), render(merged(STORE, change))
    assert before.objects != after.objects
    assert hashed(before) == hashed(after)


@pytest.mark.parametrize("change", ANOTHER_CLUSTER.values(), ids=list(ANOTHER_CLUSTER))
def test_what_pods_are_made_with_starts_another(change: Values, render: Callable[..., Rendered]) -> None:
    assert hashed(render(STORE)) != hashed(render(merged(STORE, change)))


def test_a_running_cluster_is_told_what_it_can_take(render: Callable[..., Rendered]) -> None:
    after = render(merged(STORE, {"memory": {"replicas": 3}, "config": {"log": {"level": "DEBUG"}}}))
    assert after.changeable == {"cluster": {"memory_workers": 3}, "log": {"level": "DEBUG"}}
    (memory,) = [group for group in after.cluster["workerGroupSpecs"] if group["groupName"] == "memory"]
    assert (memory["minReplicas"], memory["replicas"], memory["maxReplicas"]) == (3, 3, 3)


def test_the_command_in_the_notes_scales_the_memory_group(render: Callable[..., Rendered]) -> None:
    """KubeRay hands a changed number of replicas to no cluster that runs; the notes of an upgrade say how to."""
    before, after = render(STORE), render(merged(STORE, {"memory": {"replicas": 3}}), is_upgrade=True)
    assert "patch raycluster" not in before.notes
    patch = re.search(r"patch raycluster --type json -p '(\[.*?\])'", after.notes, re.DOTALL)
    assert patch is not None
    spec = copy.deepcopy(before.cluster)
    for step in json.loads(patch[1]):
        _, root, groups, index, key = step["path"].split("/")
        assert (step["op"], root) == ("replace", "spec")
        spec[groups][int(index)][key] = step["value"]
    assert spec == after.cluster


def test_the_configuration_is_named_by_its_content_and_never_changed(
    chart: helm_python.Chart, render: Callable[..., Rendered]
) -> None:
    """Pods of the cluster before must find theirs as long as it lives."""
    before, other = render(EVERYTHING), render(merged(EVERYTHING, {"config": {"memory": {"slots": 3}}}))
    same = Rendered.parse(chart.render(EVERYTHING, name="hermes", namespace="video"))  # once more
    assert before.config_map == same.config_map
    assert before.config_map["metadata"]["name"] != other.config_map["metadata"]["name"]
    for rendered in (before, other):
        config_map = rendered.config_map
        assert config_map["immutable"] is True
        assert config_map["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        for template in rendered.pod_templates.values():
            (volume,) = [volume for volume in template["spec"]["volumes"] if volume["name"] == "config"]
            assert volume["configMap"]["name"] == config_map["metadata"]["name"]


@pytest.mark.parametrize(
    "values",
    [
        {"memory": {"replicas": 2, "acceptLoss": True}},
        merged(STORE, {"memory": {"replicas": 2}}),
        {
            "memory": {"replicas": 2},
            "modelCache": {"existingClaim": "models"},
            "config": {"snapshots": {"url": "/var/cache/hermes/snapshots"}},
        },
    ],
    ids=["loss accepted", "object store", "shared volume"],
)
def test_several_memory_workers_with_a_store_in_common_are_taken(
    values: Values, render: Callable[..., Rendered]
) -> None:
    assert render(values).changeable["cluster"]["memory_workers"] == 2


def test_notes_tell_where_memories_are_kept(render: Callable[..., Rendered]) -> None:
    assert "no snapshot store" in render().notes
    assert "Snapshots: s3://bucket/site" in render(STORE).notes

"""Strimzi resources, plain and from the chart, against the topics that the code defines."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from hermes_ray.config import KafkaSettings
from hermes_ray.transport.topics import topic_definitions
from tests.deploy.rendering import ROOT, Rendered, values_of
from tests.deploy.schemas import CustomSchemas

Topics = dict[str, tuple[int, dict[str, str]]]
PLAIN = tuple(
    item
    for path in sorted((ROOT / "kafka" / "strimzi").glob("*.yaml"))
    for item in yaml.safe_load_all(path.read_text())
)


def _topics(objects: tuple[dict[str, Any], ...]) -> Topics:
    """Partitions and configuration by topic name."""
    specs = [item["spec"] for item in objects if item["kind"] == "KafkaTopic"]
    return {
        spec["topicName"]: (spec["partitions"], {key: str(value) for key, value in spec["config"].items()})
        for spec in specs
    }


def _defined(settings: KafkaSettings) -> Topics:
    return {topic.name: (topic.partitions, topic.config) for topic in topic_definitions(settings)}


def _strimzi(render: Callable[..., Rendered], **kafka: Any) -> Rendered:
    return render({"strimzi": {"enabled": True}, "config": {"kafka": {"bootstrap_servers": "", **kafka}}})


def test_plain_topics_are_those_of_the_code() -> None:
    assert _topics(PLAIN) == _defined(KafkaSettings())


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {
            "frames_topic": "yard",
            "dead_letters_topic": "junk",
            "events_topic": "news",
            "frames_partitions": 24,
            "max_record_bytes": 1 << 20,
        },
    ],
    ids=["defaults", "changed"],
)
def test_topics_of_the_chart_are_those_of_the_code(changed: dict[str, Any], render: Callable[..., Rendered]) -> None:
    assert _topics(_strimzi(render, **changed).objects) == _defined(KafkaSettings(**changed))


def test_users_may_do_what_the_system_does_and_no_more(render: Callable[..., Rendered]) -> None:
    settings = KafkaSettings()
    frames, dead_letters = settings.frames_topic, settings.dead_letters_topic
    system = {
        ("topic", frames): {"Read", "Describe"},
        ("topic", dead_letters): {"Write", "Describe"},
        ("topic", settings.events_topic): {"Read", "Write", "Describe"},
        ("group", settings.group_id): {"Read"},
    }
    camera = {("topic", frames): {"Write", "Describe"}}
    for objects, prefix in ((PLAIN, "hermes"), (_strimzi(render).objects, "hermes-hermes-ray")):
        users = {item["metadata"]["name"]: item for item in objects if item["kind"] == "KafkaUser"}
        assert {name: _rights(user) for name, user in users.items()} == {
            f"{prefix}-system": system,
            f"{prefix}-camera": camera,
        }


def _rights(user: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    acls = user["spec"]["authorization"]["acls"]
    assert all(acl["resource"]["patternType"] == "literal" for acl in acls)
    return {(acl["resource"]["type"], acl["resource"]["name"]): set(acl["operations"]) for acl in acls}


def test_strimzi_resources_belong_to_their_cluster(render: Callable[..., Rendered]) -> None:
    for objects in (PLAIN, _strimzi(render).objects):
        (cluster,) = [item["metadata"]["name"] for item in objects if item["kind"] == "Kafka"]
        for item in objects:
            if item["kind"] in ("KafkaNodePool", "KafkaTopic", "KafkaUser"):
                assert item["metadata"]["labels"]["strimzi.io/cluster"] == cluster


def test_topics_have_no_more_copies_than_there_are_brokers(render: Callable[..., Rendered]) -> None:
    for replicas in (1, 2, 3, 5):
        rendered = render({"strimzi": {"enabled": True, "replicas": replicas}})
        config = rendered.one("Kafka")["spec"]["kafka"]["config"]
        copies = {topic["spec"]["replicas"] for topic in rendered.of_kind("KafkaTopic")}
        assert copies == {config["default.replication.factor"]}
        assert config["min.insync.replicas"] <= max(copies) <= replicas


def test_the_system_connects_to_the_chart_s_kafka_with_its_user(render: Callable[..., Rendered]) -> None:
    rendered = _strimzi(render)
    kafka = yaml.safe_load(rendered.settings_text)["kafka"]
    cluster = rendered.one("Kafka")
    (listener,) = cluster["spec"]["kafka"]["listeners"]
    name = cluster["metadata"]["name"]
    assert kafka["bootstrap_servers"] == f"{name}-kafka-bootstrap:{listener['port']}"
    assert (kafka["security_protocol"], kafka["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    user = rendered.one("KafkaUser", kafka["sasl_username"])
    for group, container in rendered.containers():
        volumes = {volume["name"]: volume for volume in rendered.pod_templates[group]["spec"]["volumes"]}
        secret = volumes["kafka-password"]["secret"]
        assert (secret["secretName"], [item["key"] for item in secret["items"]]) == (
            user["metadata"]["name"],
            ["password"],
        )
        (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "kafka-password"]
        assert kafka["sasl_password_file"] == f"{mount['mountPath']}/{secret['items'][0]['path']}"
        assert volumes["kafka-ca"]["secret"]["secretName"] == f"{name}-cluster-ca-cert"


def test_brokers_keep_the_version_of_the_values(render: Callable[..., Rendered]) -> None:
    plain = next(item for item in PLAIN if item["kind"] == "Kafka")
    assert plain["spec"]["kafka"]["version"] == values_of("values.yaml")["strimzi"]["version"]


def test_plain_resources_satisfy_the_definitions_at_hand(custom_schemas: CustomSchemas | None) -> None:
    assert {item["apiVersion"] for item in PLAIN} == {"kafka.strimzi.io/v1"}
    for item in PLAIN:
        assert item["spec"]
        if custom_schemas is not None:
            custom_schemas.check(item)

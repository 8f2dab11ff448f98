"""What the chart renders is what Kubernetes and the operators accept."""

from collections.abc import Callable
from pathlib import Path

import helm_python
import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.deploy.rendering import CHART, EVERYTHING, VALUES_FILES, Rendered, values_of
from tests.deploy.schemas import CustomSchemas, check_built_in, is_built_in


@pytest.mark.parametrize("values_file", VALUES_FILES)
def test_chart_lints_with_every_values_file(values_file: str) -> None:
    report = helm_python.lint(CHART, values_of(values_file), kube_version="v1.34.0")
    problems = [message for message in report["messages"] if message["severity"] > 1]
    assert (problems, report["errors"]) == ([], [])


def test_built_in_objects_satisfy_kubernetes(rendered: Rendered) -> None:
    for item in rendered.objects:
        if is_built_in(item):
            check_built_in(item)


def test_pods_of_every_group_satisfy_kubernetes(rendered: Rendered) -> None:
    for group, template in rendered.pod_templates.items():
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        check_built_in(pod | {"metadata": {"name": group, **template["metadata"]}})


def test_custom_objects_satisfy_the_definitions_at_hand(
    rendered: Rendered, custom_schemas: CustomSchemas | None
) -> None:
    custom = [item for item in rendered.objects if not is_built_in(item)]
    assert "RayService" in {item["kind"] for item in custom}
    for item in custom:
        assert item["spec"]
        if custom_schemas is not None:
            assert item in custom_schemas, f"no definition of {item['apiVersion']} {item['kind']}"
            custom_schemas.check(item)


def test_misspelt_pod_fields_would_be_noticed(render: Callable[..., Rendered]) -> None:
    template = render(EVERYTHING).pod_templates["head"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x"},
        "spec": {**template["spec"], "tolerationz": []},
    }
    with pytest.raises(kubernetes_validate.ValidationError, match="tolerationz"):
        check_built_in(pod)


def test_misspelt_custom_fields_would_be_noticed(render: Callable[..., Rendered], tmp_path: Path) -> None:
    shape = {"spec": {"type": "object", "properties": {"rayClusterConfig": {"type": "object"}}}}
    version = {"name": "v1", "schema": {"openAPIV3Schema": {"type": "object", "properties": shape}}}
    names = {"kind": "RayService"}
    definition = {"spec": {"group": "ray.io", "names": names, "versions": [version]}}
    (tmp_path / "definition.yaml").write_text(yaml.safe_dump(definition))
    with pytest.raises(jsonschema.ValidationError, match="serveConfigV2"):
        CustomSchemas(tmp_path).check(render().ray_service)

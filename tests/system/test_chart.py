"""The chart as an operator meets it: rendered by Helm's own engine, without a cluster."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest
import yaml

CHART = Path(__file__).parents[2] / "helm" / "careloop"
KUBERNETES = ("1.31", "1.35")
DIGEST = "sha256:" + "5" * 64
EVERYTHING_ON: dict[str, Any] = {
    "image": {"repository": "registry.example.com/careloop", "digest": DIGEST, "pullSecrets": ["pull"]},
    "files": {"existingClaim": "careloop-files"},
    "ingress": {"enabled": True, "className": "nginx", "tlsSecretName": "tls", "annotations": {"a/b": "c"}},
    "networkPolicy": {"from": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}]},
    "settings": {"CARELOOP_WORKER_THREADS": "8"},
    "podAnnotations": {"team": "care"},
    "nodeSelector": {"pool": "app"},
    "tolerations": [{"key": "app", "operator": "Exists"}],
}
VARIANTS = {
    "as shipped": {},
    "everything on": EVERYTHING_ON,
    "no network policy": {"networkPolicy": {"enabled": False}},
}

KubeObject = dict[str, Any]
PROCESSES = ("web", "worker", "scheduler", "migration")


def rendered(values: Mapping[str, Any]) -> list[KubeObject]:
    """All Kubernetes objects of a release called `prod` with these values."""
    with helm.Chart.load(CHART) as chart:
        files = chart.render(dict(values), name="prod", namespace="care")
    documents = (yaml.safe_load_all(text) for path, text in sorted(files.items()) if path.endswith(".yaml"))
    return [document for file in documents for document in file if document]


def pods(objects: list[KubeObject]) -> dict[str, KubeObject]:
    """The pod templates by process: web, worker, scheduler, migration."""
    templates = [item["spec"]["template"] for item in objects if item["kind"] in {"Deployment", "Job"}]
    return {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["spec"] for pod in templates}


def texts(value: object) -> Iterator[str]:
    """Every string inside a document."""
    if isinstance(value, dict):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)
    elif isinstance(value, str):
        yield value


def container(pod: KubeObject) -> KubeObject:
    (only,) = pod["containers"]
    return dict(only)


def variables(pod: KubeObject) -> dict[str, KubeObject]:
    return {entry["name"]: entry for entry in container(pod)["env"]}


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS.keys())
def test_every_object_is_one_that_kubernetes_accepts(values: dict[str, Any], version: str) -> None:
    objects = rendered(values)
    assert {item["kind"] for item in objects} >= {
        "Deployment",
        "Job",
        "Service",
        "ConfigMap",
        "PodDisruptionBudget",
    }
    for item in objects:
        kubernetes_validate.validate(item, version, strict=True)
    assert len({(item["kind"], item["metadata"]["name"]) for item in objects}) == len(objects)


def test_helm_finds_nothing_to_complain_of() -> None:
    report = helm.lint(CHART, strict=True)
    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] > 1] == []


def test_the_four_processes_run_their_command_from_one_image() -> None:
    found = pods(rendered(EVERYTHING_ON))
    assert {name: container(pod)["args"] for name, pod in found.items()} == {
        "web": ["serve"],
        "worker": ["worker"],
        "scheduler": ["scheduler"],
        "migration": ["migrate"],
    }
    assert {container(pod)["image"] for pod in found.values()} == {f"registry.example.com/careloop@{DIGEST}"}


def test_the_image_is_the_charts_own_version_unless_named() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    image = container(pods(rendered({}))["web"])["image"]
    assert image == f"careloop:{chart['appVersion']}"


def test_migration_ends_before_anything_of_the_release_starts() -> None:
    objects = rendered({})
    (job,) = [item for item in objects if item["kind"] == "Job"]
    hooks = job["metadata"]["annotations"]
    assert set(hooks["helm.sh/hook"].split(",")) == {"pre-install", "pre-upgrade"}
    assert "before-hook-creation" in hooks["helm.sh/hook-delete-policy"]
    # At the first install nothing else of the release exists yet, so the job may lean on nothing of it.
    made_by_release = {item["metadata"]["name"] for item in objects if item is not job}
    assert made_by_release.isdisjoint(set(texts(job["spec"]["template"]["spec"])))


def test_only_the_migration_is_given_the_owner_of_the_tables() -> None:
    found = pods(rendered({}))
    assert [name for name, pod in found.items() if "CARELOOP_OWNER_DATABASE_URL" in variables(pod)] == [
        "migration"
    ]
    assert "CARELOOP_MASTER_KEY" not in variables(found["migration"])


@pytest.mark.parametrize("process", PROCESSES)
def test_secrets_come_from_the_operators_secret_alone(process: str) -> None:
    for entry in variables(pods(rendered({"secretName": "vault"}))[process]).values():
        assert entry["valueFrom"]["secretKeyRef"]["name"] == "vault"
        assert "value" not in entry


@pytest.mark.parametrize("name", ["CARELOOP_DATABASE_URL", "CARELOOP_MASTER_KEY", "CARELOOP_STRIPE_API_KEY"])
def test_a_secret_among_the_plain_settings_is_refused(name: str) -> None:
    with pytest.raises(helm.HelmError, match=name):
        rendered({"settings": {name: "x"}})


def test_a_misspelt_value_is_refused_and_named() -> None:
    with pytest.raises(helm.HelmError, match="replica_count"):
        rendered({"replica_count": 3})


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_may_do_little_on_its_node(process: str) -> None:
    pod = pods(rendered({}))[process]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    rights = container(pod)["securityContext"]
    assert rights["readOnlyRootFilesystem"] is True
    assert rights["allowPrivilegeEscalation"] is False
    assert rights["capabilities"]["drop"] == ["ALL"]
    resources = container(pod)["resources"]
    assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory"}
    # What is written goes to mounted folders: the image itself is read-only.
    assert {mount["mountPath"] for mount in container(pod)["volumeMounts"]} == {"/tmp", "/var/lib/careloop"}  # noqa: S108


def test_the_web_is_restarted_by_life_and_served_by_readiness() -> None:
    web = container(pods(rendered({}))["web"])
    assert web["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert web["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert web["startupProbe"]["httpGet"]["path"] == "/health/live"


def test_there_is_never_a_second_scheduler() -> None:
    (scheduler,) = [item for item in rendered({}) if item["metadata"]["name"] == "prod-careloop-scheduler"]
    assert scheduler["spec"]["replicas"] == 1
    assert scheduler["spec"]["strategy"]["type"] == "Recreate"
    with pytest.raises(helm.HelmError, match="replicas"):
        rendered({"scheduler": {"replicas": 2}})


def test_files_are_shared_when_a_claim_is_named() -> None:
    found = pods(rendered(EVERYTHING_ON))
    for process in ("web", "worker", "scheduler"):
        volumes = {volume["name"]: volume for volume in found[process]["volumes"]}
        assert volumes["files"]["persistentVolumeClaim"]["claimName"] == "careloop-files"


def test_a_changed_setting_restarts_the_processes() -> None:
    def marks(values: dict[str, Any]) -> set[str]:
        deployments = [item for item in rendered(values) if item["kind"] == "Deployment"]
        return {
            item["spec"]["template"]["metadata"]["annotations"]["careloop/settings"] for item in deployments
        }

    before, after = marks({}), marks({"settings": {"CARELOOP_WORKER_THREADS": "8"}})
    assert len(before) == len(after) == 1
    assert before != after


def test_cookies_are_for_https_whenever_people_come_by_https() -> None:
    def secure(url: str) -> str:
        (config,) = [item for item in rendered({"publicUrl": url}) if item["kind"] == "ConfigMap"]
        return str(config["data"]["CARELOOP_COOKIE_SECURE"])

    assert secure("https://care.example.com") == "true"
    assert secure("http://care.example.com") == "false"


def test_nothing_but_the_web_port_is_open() -> None:
    policies = [item["spec"] for item in rendered({}) if item["kind"] == "NetworkPolicy"]
    everyone, web = policies
    assert everyone["ingress"] == []
    assert "app.kubernetes.io/component" not in everyone["podSelector"]["matchLabels"]
    assert web["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "web"
    assert [port["port"] for rule in web["ingress"] for port in rule["ports"]] == [8321]

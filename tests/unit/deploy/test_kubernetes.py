"""The manifests are complete, fit together, and satisfy a cluster with strict rules.

No cluster runs here: kustomize builds the objects, and the schemas of the package
kubernetes-validate check them. It has no schema for KEDA's object; test_kubernetes_settings.py
parses it and compares it with the other objects.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any

import kubernetes_validate
import kubernetes_validate.utils
import pytest
import yaml

from tests.support.deploy import kustomize
from tests.support.deploy.kustomize import (
    FOLDER,
    JOB,
    OVERLAYS,
    SHELF,
    Object,
    Pod,
    named,
    pod,
    pods,
)

#: The oldest and the newest supported version of Kubernetes.
VERSIONS = ("1.31", "1.37")
UNKNOWN = {"ScaledObject"}
VOLUMES = {"persistentVolumeClaim", "emptyDir", "secret", "configMap", "projected"}
ALL = (*OVERLAYS, JOB, "shelf")


@pytest.fixture(scope="module", autouse=True)
def _schemas_that_are_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        read = kubernetes_validate.utils.schema_contents
        patch.setattr(kubernetes_validate.utils, "schema_contents", cache(read))
        yield


@pytest.fixture(params=ALL)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    """The objects that each command of deploy/kubernetes/README.md sends to the cluster."""
    if request.param == "shelf":
        return list(yaml.safe_load_all(SHELF.read_text(encoding="utf-8")))
    return kustomize.build(request.param)


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> list[Object]:
    """A complete system."""
    return kustomize.build(request.param)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_conforms_to_the_schemas_of_kubernetes(
    objects: list[Object], version: str
) -> None:
    for one in objects:
        if one["kind"] not in UNKNOWN:
            kubernetes_validate.validate(one, version, strict=True)


def test_selectors_find_pods_and_ports_have_names(overlay: list[Object]) -> None:
    for one in overlay:
        spec = one.get("spec", {})
        if one["kind"] == "Deployment":
            assert _fits(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"])
        elif one["kind"] == "Service":
            (found,) = (p for p in pods(overlay) if _fits(spec["selector"], p.labels))
            assert {port["targetPort"] for port in spec["ports"]} <= _ports(found)
        elif one["kind"] == "NetworkPolicy":
            _check_policy(overlay, spec)


def test_only_the_parts_reach_the_server(overlay: list[Object]) -> None:
    (job,) = pods(kustomize.build(JOB))
    clients = [*pods(overlay), job]
    if "redis" not in {p.name for p in clients}:
        return  # an external server decides itself who connects
    (rule,) = named(overlay, "NetworkPolicy", "redis-from-hangtag")["spec"]["ingress"]
    (source,) = rule["from"]
    assert source.keys() == {"podSelector"}  # so only in this namespace
    assert all(_fits(source["podSelector"]["matchLabels"], p.labels) for p in clients)
    assert not _fits(source["podSelector"]["matchLabels"], {"app.kubernetes.io/name": "other"})
    assert named(overlay, "NetworkPolicy", "deny-ingress")["spec"]["podSelector"] == {}


def test_pods_refer_to_existing_objects(overlay: list[Object]) -> None:
    job = kustomize.build(JOB)
    for p in (*pods(overlay), *pods(job)):
        there = {(one["kind"], one["metadata"]["name"]) for one in overlay + job}
        needed = {need for volume in p.spec["volumes"] for need in _needs(volume)}
        needed |= {("ConfigMap", s["configMapRef"]["name"]) for s in p.container.get("envFrom", ())}
        if "serviceAccountName" in p.spec:
            needed.add(("ServiceAccount", p.spec["serviceAccountName"]))
        assert needed <= there, p.name
        volumes = {volume["name"] for volume in p.spec["volumes"]}
        assert {mount["name"] for mount in p.container["volumeMounts"]} == volumes


def test_pods_conform_to_the_restricted_standard(objects: list[Object]) -> None:
    for p in pods(objects):
        rules = p.spec["securityContext"]
        assert rules["runAsNonRoot"] is True
        assert min(rules["runAsUser"], rules["runAsGroup"], rules["fsGroup"]) > 0
        assert rules["seccompProfile"] == {"type": "RuntimeDefault"}
        assert p.container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert p.spec["automountServiceAccountToken"] is False
        assert p.spec["enableServiceLinks"] is False
        assert all((volume.keys() - {"name"}) <= VOLUMES for volume in p.spec["volumes"])


@pytest.mark.parametrize("name", ["worker", "trainer"])
def test_the_probes_of_a_part_are_the_same_in_every_system(name: str) -> None:
    """tests/integration/deploy runs them, in CI those of one system."""
    probes = [
        {key: value for key, value in pod(kustomize.build(one), name).container.items()
         if key.endswith("Probe")}
        for one in OVERLAYS
    ]  # fmt: skip
    assert len(probes[0]) == 3
    assert probes == [probes[0]] * len(OVERLAYS)


def test_each_part_has_its_own_password_and_no_other(overlay: list[Object]) -> None:
    parts = {"worker": "worker", "trainer": "trainer", "metrics": "monitor"}
    for name, part in parts.items():
        assert _secrets(pod(overlay, name)) == {f"hangtag-{part}"}
        secret = named(overlay, "Secret", f"hangtag-{part}")
        assert secret["data"].keys() == {"password"}
    (job,) = pods(kustomize.build(JOB))
    assert _secrets(job) == {"hangtag-producer"}


@pytest.mark.parametrize(
    "path",
    ["redis/secrets/users.acl", "external-redis/secrets/worker.password", "tls/tls/tls.key"],
)
def test_secrets_are_never_committed(path: str) -> None:
    found = FOLDER / "components" / path
    done = subprocess.run(["git", "check-ignore", "-q", found], cwd=FOLDER)
    assert done.returncode == 0


def _fits(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


def _ports(p: Pod) -> set[str]:
    return {port["name"] for port in p.container.get("ports", ())}


def _check_policy(objects: list[Object], spec: dict[str, Any]) -> None:
    """Pods match the policy, and pods and peers have the ports that it names."""
    selected = [
        p for p in pods(objects) if _fits(spec["podSelector"].get("matchLabels", {}), p.labels)
    ]
    assert selected
    for rule in spec.get("ingress", ()):
        assert all(port["port"] in _ports(p) for port in rule["ports"] for p in selected)
    for rule in spec.get("egress", ()):
        peers = [peer["podSelector"]["matchLabels"] for peer in rule.get("to", ())]
        for peer in peers:
            (to,) = (p for p in pods(objects) if _fits(peer, p.labels))
            assert {port["port"] for port in rule["ports"]} <= _ports(to)


def _needs(volume: Object) -> set[tuple[str, str]]:
    if "secret" in volume:
        return {("Secret", volume["secret"]["secretName"])}
    if "persistentVolumeClaim" in volume:
        return {("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])}
    found = set()
    for source in volume.get("projected", {}).get("sources", ()):
        for kind, field in (("Secret", "secret"), ("ConfigMap", "configMap")):
            if field in source and not source[field].get("optional"):
                found.add((kind, source[field]["name"]))
    return found


def _secrets(p: Pod) -> set[str]:
    needs = {need for volume in p.spec["volumes"] for need in _needs(volume)}
    return {name for kind, name in needs if kind == "Secret"}

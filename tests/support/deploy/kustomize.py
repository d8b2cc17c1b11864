"""The manifests of deploy/kubernetes/ as `kubectl apply -k` sends them, with made-up secrets."""

from __future__ import annotations

import copy
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/kubernetes"
OVERLAYS = tuple(sorted(f"overlays/{path.name}" for path in (FOLDER / "overlays").iterdir()))
JOB = "classify-job"
#: Applied separately, to copy files to and from the job's volumes.
SHELF = FOLDER / JOB / "shelf.yaml"
#: kubectl's built-in kustomize has the same output as the standalone program.
_TOOLS = (("kustomize", "build"), ("kubectl", "kustomize"))
_PARTS = ("producer", "worker", "trainer", "monitor")

Object = dict[str, Any]


class Pod(NamedTuple):
    """The pods of one Deployment or Job."""

    kind: str
    name: str
    labels: dict[str, str]
    spec: Object

    @property
    def container(self) -> Object:
        """Its only container."""
        (one,) = self.spec["containers"]
        found: Object = one
        return found

    def env(self, objects: list[Object]) -> dict[str, str]:
        """The environment variables of its container."""
        found: dict[str, str] = {}
        for source in self.container.get("envFrom", ()):
            found |= named(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
        return found | {one["name"]: one["value"] for one in self.container.get("env", ())}


def build(name: str) -> list[Object]:
    """The objects of one kustomization below deploy/kubernetes/."""
    if not any(shutil.which(program) for program, _ in _TOOLS):
        pytest.skip("there is neither kustomize nor kubectl on this machine")
    return copy.deepcopy(_parsed(name))  # since a test may change them


def pods(objects: list[Object]) -> Iterator[Pod]:
    """The pods that these objects define."""
    for one in objects:
        if one["kind"] == "Pod":
            yield Pod("Pod", one["metadata"]["name"], one["metadata"]["labels"], one["spec"])
        elif template := one.get("spec", {}).get("template"):
            labels = template["metadata"]["labels"]
            yield Pod(one["kind"], one["metadata"]["name"], labels, template["spec"])


def named(objects: list[Object], kind: str, name: str) -> Object:
    """The only object of this kind and name."""
    (one,) = (o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name))
    return one


def pod(objects: list[Object], name: str) -> Pod:
    """The pods of this name."""
    (one,) = (p for p in pods(objects) if p.name == name)
    return one


@cache
def _parsed(name: str) -> list[Object]:
    return list(yaml.safe_load_all(_built(name)))


def _built(name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        deploy = Path(folder, "deploy")
        # Without the developer's own secrets.
        shutil.copytree(FOLDER, deploy, ignore=shutil.ignore_patterns("secrets"))
        for component in ("redis", "external-redis"):
            _make_secrets(deploy / "components" / component / "secrets")
        for file in ("ca.crt", "tls.crt", "tls.key"):
            path = deploy / "components/tls/tls" / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(file)
        command = next(tool for tool in _TOOLS if shutil.which(tool[0]))
        done = subprocess.run([*command, deploy / name], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


def _make_secrets(folder: Path) -> None:
    folder.mkdir()
    shutil.copy(ROOT / "deploy/redis/users.acl", folder)
    for part in _PARTS:
        (folder / f"{part}.password").write_text(f"secret of {part}")

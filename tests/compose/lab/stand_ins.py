"""Base images without a registry: Debian's packages under the official names.

They have the layout that Dockerfile and docker-compose.yml rely on, and nothing more. They do not
test the other contents of the official images, and the tests print that they are used.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.compose.engine import DockerFails, docker, log
from tests.compose.lab.dockerd import FOLDER
from tests.compose.lab.failure import LabFails, step
from tests.compose.lab.packages import NO_SERVICES

#: The release that contains the named versions of Python and Redis.
RELEASE = "trixie"
DEBIAN = f"hangtag-lab/debian:{RELEASE}"
_AUTHORITIES = Path("usr/local/share/ca-certificates")
#: These errors of a registry mean a wrong name, not a network failure.
_NO_SUCH_IMAGE = re.compile("manifest unknown|not found|pull access denied|does not exist", re.I)
_APT = "apt-get -qq update && apt-get -qq install -y --no-install-recommends"

_PYTHON = """
FROM {debian}
RUN {apt} python{version}-venv \\
 && rm -rf /var/lib/apt/lists/* \\
 && python{version} -m venv /usr/local
ENV LANG=C.UTF-8
CMD ["python3"]
"""
#: The official build disables protected mode; Debian's enables it.
_REDIS = """
FROM {debian}
RUN {apt} redis-server \\
 && rm -rf /var/lib/apt/lists/* \\
 && redis-server --version | grep -q ' v={version}\\.' \\
 && install -d -o redis -g redis /data
COPY --chmod=755 <<'END' /usr/local/bin/docker-entrypoint.sh
#!/bin/sh
if [ "$1" = redis-server ]; then set -- "$@" --protected-mode no; fi
exec "$@"
END
WORKDIR /data
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["redis-server"]
"""
RECIPES = {"python": _PYTHON, "redis": _REDIS}


def provide(name: str) -> None:
    """Pull an image, or build its stand-in. Raises LabFails if the registry has no such image."""
    try:
        docker("pull", "--quiet", name)
    except DockerFails as error:
        if _NO_SUCH_IMAGE.search(str(error)):
            raise LabFails(str(error)) from error
        log(f"{name} cannot be pulled: {str(error).splitlines()[-1]}")
        _build(name)


def _build(name: str) -> None:
    started = time.monotonic()
    recipe = dockerfile(name)
    if not docker("image", "ls", "-q", DEBIAN):
        _bootstrap()
    step("docker", "build", "--pull=false", "--tag", name, "-", text=recipe)
    log(f"built a stand-in for {name}", started)


def dockerfile(name: str) -> str:
    """The Dockerfile of a stand-in. Raises LabFails for an image without one."""
    repository, _, tag = name.partition(":")
    version = re.match(r"\d+(\.\d+)*", tag)
    if repository not in RECIPES or version is None:
        raise LabFails(f"{name} cannot be pulled, and {__name__} has no stand-in for it")
    return RECIPES[repository].format(debian=DEBIAN, apt=_APT, version=version[0])


def _bootstrap() -> None:
    """Import a minimal Debian with this machine's trusted certificate authorities."""
    started = time.monotonic()
    mirror = _mirror()
    with tempfile.TemporaryDirectory(prefix="debian-", dir=FOLDER) as folder:
        root = Path(folder)
        include = "--include=ca-certificates"
        step("debootstrap", "--variant=minbase", include, RELEASE, root, mirror)
        (root / "usr/sbin/policy-rc.d").write_text(NO_SERVICES, encoding="utf-8")
        (root / "usr/sbin/policy-rc.d").chmod(0o755)
        if (Path("/") / _AUTHORITIES).is_dir():
            shutil.copytree(Path("/") / _AUTHORITIES, root / _AUTHORITIES, dirs_exist_ok=True)
            step("chroot", root, "update-ca-certificates")
        _import(root)
    log(f"a minimal Debian {RELEASE}", started)


def _import(root: Path) -> None:
    caches = ("--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*")
    packed = ["tar", "-C", str(root), "--numeric-owner", *caches, "-c", "."]
    with subprocess.Popen(packed, stdout=subprocess.PIPE) as tar:
        imported = subprocess.run(
            ["docker", "import", "-", DEBIAN], stdin=tar.stdout, capture_output=True, text=True
        )
    if tar.returncode or imported.returncode:
        raise LabFails(f"docker import of {DEBIAN}: {imported.stderr.strip()}")


def _mirror() -> str:
    """The Debian mirror in this machine's apt configuration."""
    output = step(
        "apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"
    )
    found = [line.split(" ", 1) for line in output.splitlines()]
    usual = [(release, uri) for release, uri in found if uri.startswith("http")]
    usual.sort(key=lambda one: (one[0] != RELEASE, "-" in one[0]))
    if not usual:
        raise LabFails("apt is configured without a Debian mirror")
    return usual[0][1]

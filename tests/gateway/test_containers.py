"""The recipes of `docs/containers.md`: pinned, not root, read-only, and with commands that exist.

There is no Docker where these tests run, so they read the recipes and run what can be run without it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

from greenflash_otel.cli import make_parser
from greenflash_otel.gateway.server import Gateway

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
PINNED = re.compile(r"[\w./-]+:\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?")


def block(first_line: str) -> str:
    """The code block that begins with a line."""
    [found] = re.findall(rf"```\w+\n# {re.escape(first_line)}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def instructions() -> Sequence[tuple[str, str]]:
    """The instructions of the Dockerfile, in order."""
    lines = block("Dockerfile").replace("\\\n", " ").splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def targets() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, by its name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, rest in instructions():
        if name == "FROM":
            stage = rest.rsplit(" AS ", 1)[1]
            found[stage] = []
        found[stage].append((name, rest))
    return found


def in_yaml(first_line: str) -> list[Any]:
    return list(yaml.safe_load_all(block(first_line)))


def images() -> Iterator[str]:
    """Every image that a page names."""
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        yield from re.findall(r"^\s*image: *(\S+)$", text, re.MULTILINE)
        yield from re.findall(r"^FROM (\S+)", text, re.MULTILINE)


def test_every_image_is_pinned_to_a_version() -> None:
    found = list(images())
    assert len(found) >= 4
    assert [image for image in found if not PINNED.fullmatch(image)] == []


def test_both_images_run_as_a_user_with_a_number() -> None:
    for stage in ("gateway", "collector"):
        users = [rest for name, rest in targets()[stage] if name == "USER"]
        assert users == ["10001:10001"], stage


def test_the_folder_of_the_volume_belongs_to_that_user_before_it_is_one() -> None:
    gateway_stage = targets()["gateway"]
    names = [name for name, _ in gateway_stage]
    [volume] = [rest for name, rest in gateway_stage if name == "VOLUME"]
    created = ("RUN", f"install -d -o 10001 -g 10001 -m 0700 {volume}")
    assert gateway_stage.index(created) < names.index("USER") < names.index("VOLUME")
    [environment] = [rest for name, rest in gateway_stage if name == "ENV"]
    outbox = environment.split("GREENFLASH_OUTBOX=")[1]
    assert Path(outbox).parent == Path(volume), "a folder in the volume, which the gateway makes itself"


def test_what_is_installed_has_hashes() -> None:
    [install] = [rest for name, rest in targets()["build"] if name == "RUN"]
    assert "--require-hashes" in install
    assert "--generate-hashes" in PAGE


def test_the_gateway_is_process_1_and_its_command_exists() -> None:
    stage = dict(targets()["gateway"])
    command = [*json.loads(stage["ENTRYPOINT"]), *json.loads(stage["CMD"])]
    assert command[0] == "greenflash-otel"
    given = make_parser().parse_args(command[1:])
    assert (given.host, given.port, given.grpc_port) == ("0.0.0.0", 4318, 4317)
    assert stage["STOPSIGNAL"] == "SIGTERM"


def test_the_health_check_tells_health_from_its_absence(gateway: Gateway) -> None:
    [check] = [rest for name, rest in targets()["gateway"] if name == "HEALTHCHECK"]
    _, option, code = json.loads(check[check.index("CMD ") + 4 :])
    codes = [code.replace("4318", gateway.url.rsplit(":", 1)[1]), code.replace("4318", "9")]
    found = [
        subprocess.run([sys.executable, option, each], capture_output=True, check=False).returncode
        for each in codes
    ]
    assert found == [0, 1]


@pytest.mark.parametrize("name", ["collector", "gateway"])
def test_compose_gives_no_rights_and_a_volume(name: str) -> None:
    [compose] = in_yaml("compose.yaml")
    service = compose["services"][name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["build"]["target"] == name
    volumes = [volume.split(":") for volume in service["volumes"]]
    assert any(source in compose["volumes"] for source, *_ in volumes)
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_kubernetes_gives_no_rights_and_a_volume() -> None:
    _, stateful = in_yaml("kubernetes.yaml")
    pod = stateful["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    rights = container["securityContext"]
    assert rights["readOnlyRootFilesystem"] is True
    assert rights["allowPrivilegeEscalation"] is False
    assert rights["capabilities"] == {"drop": ["ALL"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    [outbox] = [variable["value"] for variable in container["env"] if variable["name"] == "GREENFLASH_OUTBOX"]
    assert Path(outbox).parent == Path(mounts["outbox"])
    make_parser().parse_args(["gateway", *container["args"]])
    paths = [container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")]
    assert paths == ["/healthz", "/readyz"]

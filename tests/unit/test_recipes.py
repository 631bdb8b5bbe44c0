"""The files with which others run the service: the names that they use exist, and their own formats accept them."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from webhook_service import config
from webhook_service.cli.main import main

ROOT = Path(__file__).parents[2]
OTHERS = {"FORWARDED_ALLOW_IPS"}
"""The only setting that gunicorn reads, and not this service."""


class Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads the tags of Compose: `!reset` removes a value of the first file."""


Loader.add_constructor("!reset", lambda loader, node: None)


def documents(path: str) -> list[Any]:
    return list(yaml.load_all((ROOT / path).read_text("utf-8"), Loader))  # noqa: S506 (a safe loader)


def compose_services() -> Iterator[dict[str, Any]]:
    for path in ("compose.yaml", "compose.supabase.yaml"):
        yield from (service for name, service in documents(path)[0]["services"].items() if name != "database")


def deployments() -> list[dict[str, Any]]:
    return [document["spec"]["template"]["spec"] for document in kubernetes("Deployment")]


def kubernetes(kind: str) -> list[Any]:
    return [document for document in documents("deploy/kubernetes.yaml") if document["kind"] == kind]


def containers() -> list[dict[str, Any]]:
    return [container for pod in deployments() for part in ("initContainers", "containers") for container in pod[part]]


def settings() -> dict[str, set[str]]:
    """The environment variables that each recipe sets or asks for."""
    fly = tomllib.loads((ROOT / "deploy/fly.toml").read_text("utf-8"))
    [render] = documents("deploy/render.yaml")[0]["services"]
    return {
        "compose": {name for service in compose_services() for name in service["environment"]},
        "fly": set(fly["env"]),
        "render": {variable["key"] for variable in render["envVars"]},
        "heroku": set(json.loads((ROOT / "app.json").read_text("utf-8"))["env"]),
        "kubernetes": {name for document in kubernetes("ConfigMap") for name in document["data"]}
        | {variable["name"] for container in containers() for variable in container.get("env", [])},
    }


def commands() -> dict[str, set[str]]:
    """The subcommands of `webhook-service` that each recipe runs."""
    fly = tomllib.loads((ROOT / "deploy/fly.toml").read_text("utf-8"))
    return {
        "Dockerfile": set(json.loads(re.findall(r"^CMD (.*)", (ROOT / "Dockerfile").read_text("utf-8"), re.M)[-1])),
        "compose": {word for service in compose_services() for word in service.get("command", [])},
        "fly": {fly["deploy"]["release_command"]},
        "kubernetes": {word for container in containers() for word in container["args"]},
        **{
            path: set(re.findall(r"webhook-service ([a-z]+)\b", (ROOT / path).read_text("utf-8")))
            for path in ("deploy/render.yaml", "deploy/railway.json", "deploy/webhook-service.service", "Procfile")
        },
    }


@pytest.mark.parametrize("recipe", settings())
def test_a_recipe_sets_only_settings_that_exist(recipe: str) -> None:
    """A recipe names only environment variables that the service or gunicorn reads."""
    assert settings()[recipe] - set(config.NAMES) - OTHERS == set()


@pytest.mark.parametrize("recipe", commands())
def test_a_recipe_runs_only_commands_that_exist(recipe: str) -> None:
    """A recipe runs only subcommands that `webhook-service` has, and at least one."""
    assert commands()[recipe]
    assert commands()[recipe] <= set(main.commands)


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("compose-spec", ["compose.yaml"]),
        ("github-workflows", [".github/workflows/test.yml", ".github/workflows/release.yml"]),
        ("dependabot", [".github/dependabot.yml"]),
        ("github-issue-forms", [".github/ISSUE_TEMPLATE/bug.yml", ".github/ISSUE_TEMPLATE/feature.yml"]),
    ],
)
def test_a_file_has_the_form_that_its_program_reads(schema: str, files: list[str]) -> None:
    """Each file is valid under the published schema of its program."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_passes_hadolint() -> None:
    """hadolint finds nothing in the Dockerfile."""
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_kubernetes_knows_each_field_of_the_manifests() -> None:
    """The schemas of Kubernetes accept the manifests, and know each field in them."""
    command = (Path(sys.executable).with_name("kubernetes-validate"), "--strict", "deploy/kubernetes.yaml")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_container_runs_without_rights() -> None:
    """Each container of the manifests and Compose files is read-only, and without root and capabilities."""
    for pod in deployments():
        assert pod["securityContext"]["runAsNonRoot"] is True
    for container in containers():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    [compose] = documents("compose.yaml")
    for name in ("migrate", "web"):
        service = compose["services"][name]
        assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])  # noqa: S108


def test_two_web_processes_survive_a_drain() -> None:
    """Kubernetes runs two web pods and keeps one of them while it drains a node. Another pod runs the relay."""
    replicas = {document["metadata"]["name"]: document["spec"]["replicas"] for document in kubernetes("Deployment")}
    assert replicas == {"webhook-service-web": 2, "webhook-service-relay": 1}
    [budget] = kubernetes("PodDisruptionBudget")
    assert budget["spec"]["minAvailable"] == 1


def test_the_image_gets_only_what_it_needs() -> None:
    """The build context of the image leaves everything out, except what the Dockerfile copies."""
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert {path for paths in copied for path in paths.split()} == kept
    assert "*" in (ROOT / ".dockerignore").read_text("utf-8").splitlines()


def test_actions_are_pinned() -> None:
    """Each action is pinned to a commit, and no workflow may write unless a job says so."""
    for file in (ROOT / ".github/workflows").glob("*.yml"):
        text = file.read_text("utf-8")
        assert re.findall(r"uses: (?!actions/[\w-]+@[0-9a-f]{40} # v\d)", text) == []
        assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


def test_the_release_notes_are_the_section_of_the_version() -> None:
    """The release workflow finds the section of the version of pyproject.toml in the changelog."""
    [awk] = re.findall(r"awk -v .* '(.*)' CHANGELOG.md", (ROOT / ".github/workflows/release.yml").read_text("utf-8"))
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    command = ["awk", "-v", f"version={version}", awk, "CHANGELOG.md"]
    notes = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert notes.strip()
    assert "\n## " not in notes


def test_pre_commit_checks_what_ci_checks() -> None:
    """The hooks of pre-commit run programs and tests that exist, and each is a part of .ci/run."""
    hooks = documents(".pre-commit-config.yaml")[0]["repos"][0]["hooks"]
    ci = (ROOT / ".ci/run").read_text("utf-8")
    for entry in (hook["entry"].split() for hook in hooks):
        assert [word for word in entry if word.startswith("tests/") and not (ROOT / word).exists()] == []
        assert entry[0] in ci or entry[0].endswith("pytest")


def test_the_secrets_of_the_guide_are_valid(tmp_path: Path) -> None:
    """The command of docs/how-to/install.md makes a file for Compose, with secrets that the service accepts."""
    guide = (ROOT / "docs/how-to/install.md").read_text("utf-8")
    [command] = re.findall(r"^(printf .* > \.env)$", guide, re.MULTILINE)
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, timeout=60)
    lines = (tmp_path / ".env").read_text("ascii").splitlines()
    environment = dict(line.split("=", 1) for line in lines)
    assert len(config.webhook_secrets(environment)) == 1
    assert config.admin_api_key(environment)

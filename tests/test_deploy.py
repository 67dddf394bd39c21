"""What stands in ``deploy/`` fits the program that it starts."""

import asyncio
import configparser
import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from debate_caster.calendar.exporting import Program, exported
from debate_caster.cli.command_line import parser
from debate_caster.cli.service_manager import PATIENCE_S
from debate_caster.log import MemoryEventLog
from debate_caster.settings import PREFIX, Settings
from debate_caster.stage import open_stage
from debate_caster.version import __version__
from tests.calendar.plans import entry, scenario

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
IMAGE = f"debate-caster:{__version__}"
SPARE_S = 20
"""Least time between the last moment of a show and the kill: its last words, and a slow disk."""


# -- systemd --------------------------------------------------------------------------------------------------------


def unit() -> configparser.RawConfigParser:
    sections = configparser.RawConfigParser(strict=True, comment_prefixes=("#",), inline_comment_prefixes=None)
    sections.optionxform = str  # type: ignore[assignment,method-assign]  # names of settings have capitals
    sections.read_string((DEPLOY / "debate-caster.service").read_text(encoding="utf-8"))
    return sections


def test_the_unit_starts_a_command_that_there_is() -> None:
    program, *arguments = shlex.split(unit()["Service"]["ExecStart"])
    options = parser().parse_args(arguments)

    assert program.startswith("/")
    assert (options.command, [str(path) for path in options.scenarios]) == ("serve", ["/etc/debate-caster/scenarios"])
    assert str(options.data_dir) == "/var/lib/debate-caster"


def test_the_unit_waits_for_us_watches_us_and_gives_us_a_folder_of_our_own() -> None:
    service = unit()["Service"]

    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert int(service["WatchdogSec"]) > 30, "longer than a calendar may be lost in a slow disk"
    assert (service["DynamicUser"], service["StateDirectory"]) == ("yes", "debate-caster")
    assert service["ProtectSystem"] == "strict"


def test_the_unit_lets_shows_end() -> None:
    service = unit()["Service"]

    assert service["KillSignal"] == "SIGTERM"
    assert SPARE_S <= int(service["TimeoutStopSec"]) <= PATIENCE_S, "what is asked for is never less than what is given"


# -- the image ------------------------------------------------------------------------------------------------------


@dataclass
class Stage:
    """One ``FROM`` of a Dockerfile with what follows; ``steps`` are (instruction, rest of its line)."""

    image: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def every(self, instruction: str) -> list[str]:
        return [rest for found, rest in self.steps if found == instruction]

    def only(self, instruction: str) -> str:
        (rest,) = self.every(instruction)
        return rest

    @property
    def environment(self) -> dict[str, str]:
        return dict(assignment.split("=", 1) for line in self.every("ENV") for assignment in shlex.split(line))


def stages() -> list[Stage]:
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: list[Stage] = []
    for line in filter(None, map(str.strip, text.replace("\\\n", " ").splitlines())):
        instruction, rest = line.split(maxsplit=1)
        if instruction == "FROM":
            image, _, name = rest.partition(" AS ")
            found.append(Stage(image, name))
        else:
            found[-1].steps.append((instruction, rest))
    return found


def copied(step: str) -> tuple[list[str], str]:
    """Return what a COPY copies, and where to."""
    *sources, target = [word for word in step.split() if not word.startswith("--")]
    return sources, target


def is_sent(path: str) -> bool:
    """Say whether Docker gets a file, by .dockerignore's rule: the last pattern that fits it or a folder above."""
    sent, place = True, PurePosixPath(path)
    above = [str(place), *(str(parent) for parent in place.parents if parent.name)]
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        if pattern.startswith("**/"):
            fits = any(fnmatch.fnmatchcase(PurePosixPath(each).name, pattern[3:]) for each in above)
        else:
            fits = any(each.count("/") == pattern.count("/") and fnmatch.fnmatchcase(each, pattern) for each in above)
        if fits and line and not line.startswith("#"):
            sent = line.startswith("!")
    return sent


def healthcheck() -> list[str]:
    command = stages()[-1].only("HEALTHCHECK").partition("CMD ")[2]
    return list(json.loads(command))


def as_run(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[Namespace, Settings]:
    """Return what the program makes of a container's command and environment."""
    options = parser().parse_args(list(arguments))
    given = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    assert given.keys() <= Settings.model_fields.keys()
    chosen = {
        name: value for name, value in vars(options).items() if name in Settings.model_fields and value is not None
    }
    return options, Settings.model_validate(given | chosen)


def test_the_image_starts_a_stage_that_others_reach_as_nobody_in_particular() -> None:
    build, image = stages()
    command = json.loads(image.only("ENTRYPOINT")) + json.loads(image.only("CMD"))
    options, settings = as_run(command[1:], image.environment)

    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert (command[0] in scripts, options.command) == (True, "serve")
    assert (settings.host, settings.allow_public, str(settings.port)) == ("0.0.0.0", True, image.only("EXPOSE"))  # noqa: S104
    assert image.only("USER") == "10001:10001"
    assert str(settings.data_dir) == image.only("VOLUME") == "/data"
    assert "--from=build --chown=10001:10001 /data /data" in image.every("COPY")
    assert image.only("STOPSIGNAL") == "SIGTERM"
    assert image.environment["PATH"].startswith("/opt/debate-caster/bin:")
    assert {build.image, image.image} == {"python:3.11-slim"}
    assert IMAGE in (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), "what it says it is called"
    assert image.every("RUN") == [], "what is run is run by a test, which is nobody's root"


def test_the_image_has_what_it_is_made_of_and_no_more() -> None:
    for step in stages()[0].every("COPY"):
        for source in copied(step)[0]:
            assert (ROOT / source).exists()
            files = [ROOT / source] if (ROOT / source).is_file() else (ROOT / source).rglob("*")
            names = [str(file.relative_to(ROOT)) for file in files if file.is_file()]
            assert [name for name in names if not is_sent(name)] == [name for name in names if "__pycache__" in name]

    secret = (
        ".env",
        "scenarios/.env",
        "data/signing-keys",
        ".git/config",
        ".venv/bin/python",
        "deploy/debate-caster.env",
    )
    assert [path for path in (*secret, "src/x/__pycache__/y.pyc", "tests/conftest.py") if is_sent(path)] == []


def health(port: int, python: Path | str = sys.executable) -> int:
    """Run the image's healthcheck and return its exit status."""
    program, *arguments = healthcheck()
    assert program == "python"
    environment = stages()[-1].environment | {"DEBATE_CASTER_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run([python, *arguments], env=environment, capture_output=True, check=False).returncode


async def test_the_healthcheck_tells_a_stage_from_none() -> None:
    async with open_stage(log=MemoryEventLog()) as stage:
        assert await asyncio.to_thread(health, stage.port) == 0
    assert await asyncio.to_thread(health, stage.port) == 1


# -- several containers ---------------------------------------------------------------------------------------------


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_compose_runs_the_image_with_time_to_end_its_shows() -> None:
    whole = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    (service,) = whole["services"].values()
    options, settings = as_run(service["command"], stages()[-1].environment)

    assert (service["image"], service["build"]["dockerfile"]) == (IMAGE, "deploy/Dockerfile")
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert seconds(service["stop_grace_period"]) >= settings.stop_grace_s + SPARE_S
    mounts = dict(reversed(volume.split(":")[:2]) for volume in service["volumes"])
    assert mounts.keys() == {str(settings.data_dir), *map(str, options.scenarios)}
    assert mounts[str(settings.data_dir)] in whole["volumes"]
    assert (DEPLOY / mounts[str(options.scenarios[0])]).is_dir()
    assert service["ports"] == [f"127.0.0.1:{settings.port}:{settings.port}"], "nobody else reaches it unasked"
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert {service["hostname"]} == whole["services"].keys(), "the name by which others ask for it is its own"
    assert not is_sent(f"deploy/{service['env_file'][0]['path']}")


def manifests() -> dict[str, Any]:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
    assert len({document["kind"] for document in documents}) == len(documents)
    return {document["kind"]: document for document in documents}


def test_kubernetes_runs_one_at_a_time_with_time_to_end_its_shows() -> None:
    found = manifests()
    deployment, service = found["Deployment"]["spec"], found["Service"]["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    options, settings = as_run(container["args"], stages()[-1].environment)

    assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate")
    assert (container["image"], options.command) == (IMAGE, "serve")
    assert pod["hostname"] == found["Service"]["metadata"]["name"], "the name by which others ask for it is its own"
    assert pod["terminationGracePeriodSeconds"] >= settings.stop_grace_s + SPARE_S
    assert deployment["template"]["metadata"]["labels"] == deployment["selector"]["matchLabels"] == service["selector"]
    assert container["ports"] == [{"name": service["ports"][0]["targetPort"], "containerPort": settings.port}]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert mounts.keys() == {str(settings.data_dir), str(options.scenarios[0]), "/tmp"}  # noqa: S108 - the pod's
    assert sorted(mounts.values()) == sorted(volume["name"] for volume in pod["volumes"])


def test_kubernetes_gives_no_rights() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    user = pod["securityContext"]
    assert f"{user['runAsUser']}:{user['runAsGroup']}" == stages()[-1].only("USER")
    assert (user["runAsNonRoot"], user["fsGroup"], user["seccompProfile"]) == (True, 10001, {"type": "RuntimeDefault"})
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


async def test_kubernetes_asks_what_a_stage_answers() -> None:
    (container,) = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}

    assert {probe["port"] for probe in probes.values()} == {container["ports"][0]["name"]}
    async with open_stage(log=MemoryEventLog()) as stage:

        def status(path: str) -> int:
            with urlopen(stage.url + path, timeout=10) as answer:  # noqa: S310 - our own stage
                return int(answer.status)

        assert [await asyncio.to_thread(status, probe["path"]) for probe in probes.values()] == [200] * 3
        await stage.wind_down()
        assert await asyncio.to_thread(status, probes["livenessProbe"]["path"]) == 200, (
            "it waits for its shows, and lives"
        )


def test_jobs_of_a_cluster_s_own_scheduler_find_what_the_manifest_makes(tmp_path: Path) -> None:
    lines = exported("kubernetes", [scenario(tmp_path, "friday", entry())], Program("debate-caster", tmp_path, IMAGE))
    job = yaml.safe_load(lines)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    found = manifests()
    pod = found["Deployment"]["spec"]["template"]["spec"]

    assert all(volume in pod["volumes"] for volume in job["volumes"])
    assert found["PersistentVolumeClaim"]["metadata"]["name"] in str(job["volumes"])
    assert all(mount in pod["containers"][0]["volumeMounts"] for mount in job["containers"][0]["volumeMounts"])


# -- building -------------------------------------------------------------------------------------------------------


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements/run.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ")[0].split("==") for line in lines if "==" in line and "sys_platform" not in line)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_the_steps_that_make_the_image_make_a_program_that_works(tmp_path: Path) -> None:
    """Each step is run as it stands, in a folder in place of ``/``; what it takes from the network is there already."""
    build, image = stages()
    work = tmp_path / build.only("WORKDIR").lstrip("/")
    work.mkdir(parents=True)
    (tmp_path / "opt").mkdir()
    here = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PIP_NO_INDEX": "1", "HOME": str(tmp_path)}

    def rooted(command: str) -> list[str]:
        return [re.sub(r"^/(?=opt/|data$)", f"{tmp_path}/", word) for word in shlex.split(command)]

    for instruction, rest in build.steps:
        if instruction == "COPY":
            copy(rest, work)
        elif instruction == "RUN" and "--require-hashes" in rest:
            stand_in(tmp_path / "opt/debate-caster", work / rest.split()[-1])
        elif instruction == "RUN":
            subprocess.run(rooted(rest), cwd=work, env=here, check=True, capture_output=True)

    bare = image.environment | {
        "PATH": f"{tmp_path}/opt/debate-caster/bin", "DEBATE_CASTER_DATA_DIR": str(tmp_path / "data"), "HOME": "/",
    }  # fmt: skip
    program = tmp_path / "opt/debate-caster/bin" / json.loads(image.only("ENTRYPOINT"))[0]

    def told(*arguments: str) -> str:
        done = subprocess.run([program, *arguments], env=bare, cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout

    assert told("--version") == f"debate-caster {__version__}\n"
    assert "otis" in told("rehearse", str(work / "scenarios/demo.yaml"), "--transcript").lower()
    shutil.rmtree(work)
    (tmp_path / "plans").mkdir()
    shutil.copy(ROOT / "scenarios/demo.yaml", tmp_path / "plans")
    assert told("check", "plans"), "personas, formats and pages came along in the wheel"
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    command = [program, *json.loads(image.only("CMD"))]
    served = subprocess.Popen(command, env=bare | {"DEBATE_CASTER_PORT": "0"}, stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        port = int(served.stdout.readline().rpartition(":")[2])
        assert health(port, program.with_name("python")) == 0
        served.send_signal(getattr(signal, image.only("STOPSIGNAL")))
        served.communicate(timeout=60)
        assert (served.returncode, health(port, program.with_name("python"))) == (0, 1)
    finally:
        served.kill()
        served.wait()


def copy(step: str, work: Path) -> None:
    """Copy what Docker would, with nothing that .dockerignore holds back."""
    sources, target = copied(step)
    for source in sources:
        whole = ROOT / source
        for file in [whole] if whole.is_file() else sorted(whole.rglob("*")):
            if file.is_file() and is_sent(str(file.relative_to(ROOT))):
                place = work / target / (file.name if whole.is_file() else file.relative_to(whole))
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, place)


def stand_in(environment: Path, requirements: Path) -> None:
    """Have the packages that are pinned without fetching them: those that run this test are the same."""
    assert requirements.read_text(encoding="utf-8") == (ROOT / "requirements/run.txt").read_text(encoding="utf-8")
    here = {re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower(): found.version for found in distributions()}
    assert {name: here.get(name) for name in pins()} == pins()
    (packages,) = environment.glob("lib/python*/site-packages")
    theirs = next(path for path in sys.path if path.endswith("site-packages"))
    for found in Path(theirs).iterdir():
        if not (packages / found.name).exists() and "debate_caster" not in found.name:
            (packages / found.name).symlink_to(found)

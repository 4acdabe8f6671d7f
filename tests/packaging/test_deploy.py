"""What stands in deploy/ fits the program and itself: nothing here starts a container or asks a cluster."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from jobsched import __version__
from jobsched.cli.errors import Failure
from jobsched.cli.http_tokens import FILE, tokens_of
from jobsched.cli.main import cli
from jobsched.config.load import check_sources
from jobsched.config.sources import Source
from jobsched.runner.options import Options

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
GRACE, LEASE = Options().grace.total_seconds(), Options().lease.total_seconds()

# --- what is read ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the Dockerfile: what it is built on, and its instructions in order."""

    base: str
    instructions: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        return [words for each, words in self.instructions if each == name]


def stages() -> list[Stage]:
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.partition(" ") for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    found: list[Stage] = []
    for name, _, words in lines:
        if name == "FROM":
            found.append(Stage(words.split()[0], ()))
        else:
            found[-1] = Stage(found[-1].base, (*found[-1].instructions, (name, " ".join(words.split()))))
    return found


BUILD, IMAGE = stages()


def exec_form(name: str) -> list[str]:
    """The argument list of an instruction of the image that has one."""
    [words] = IMAGE.all(name)
    argv: list[str] = json.loads(words[words.index("[") :])
    return argv


COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("jobsched:")}
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))
OBJECTS: dict[str, dict[str, Any]] = {
    f"{each['kind']} {each['metadata']['name']}": each
    for name in KUSTOMIZATION["resources"]
    for each in yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8"))
}
PODS: dict[str, dict[str, Any]] = {
    each["metadata"]["name"]: each["spec"]["template"]
    for each in OBJECTS.values()
    if "template" in each.get("spec", {})
}


def container(pod: str) -> dict[str, Any]:
    [only] = PODS[pod]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def unit_settings(unit: Path) -> dict[str, str]:
    lines = unit.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]\w+=", line))


def commands() -> Iterator[tuple[str, list[str]]]:
    """Where a command of ours stands, and its words after `jobsched`."""
    entry = exec_form("ENTRYPOINT")
    yield "image", [*entry, *exec_form("CMD")]
    yield "image's health check", exec_form("HEALTHCHECK")
    for name, service in OURS.items():
        yield f"compose {name}", [*entry, *service["command"]]
        test = service.get("healthcheck", {}).get("test", ())
        if "jobsched" in test:
            yield f"compose {name}'s health check", test[1:]
    for name in PODS:
        pod = container(name)
        yield f"kubernetes {name}", [*pod.get("command", entry), *pod["args"]]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if "exec" in pod.get(probe, {}):
                yield f"kubernetes {name}'s {probe}", pod[probe]["exec"]["command"]
    for unit in UNITS:
        program, *words = shlex.split(unit_settings(unit)["ExecStart"])
        yield unit.name, [Path(program).name, *words]


COMMANDS = dict(commands())


def understood(words: list[str]) -> None:
    """Raises click.UsageError on a command or an option that there is not, or that cannot be."""
    command: click.Command | None = cli
    name, parent = "jobsched", None
    while command is not None:
        context = command.make_context(name, list(words), parent=parent)
        if not isinstance(command, click.Group):
            return
        rest = [*context._protected_args, *context.args]
        found, command, words = command.resolve_command(context, rest)
        name, parent = str(found), context
    raise click.UsageError(f"no command {name}")


# --- all of it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", COMMANDS)
def test_every_command_is_one_of_the_command_line(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBSCHED_HEALTH_FILE", "/tmp/jobsched.health")
    program, *words = COMMANDS[place]

    assert program == "jobsched"
    understood(words)


def test_a_command_that_there_is_not_would_be_found() -> None:
    for wrong in (["runs", "--port", "1"], ["database", "upgrade"], ["db", "downgrade"], ["run", "--threads", "none"]):
        with pytest.raises(click.UsageError):
            understood(wrong)


def test_the_commands_are_found() -> None:
    assert {
        "image",
        "image's health check",
        "compose migrate",
        "compose node",
        "compose serve",
        "kubernetes jobsched-serve",
        "jobsched-serve.service",
        "kubernetes jobsched-migration",
        "kubernetes jobsched-node",
        "kubernetes jobsched-node's startupProbe",
        "kubernetes jobsched-node's livenessProbe",
        "kubernetes jobsched-node's readinessProbe",
        "jobsched.service",
    } <= COMMANDS.keys()


@pytest.mark.parametrize("file", sorted(DEPLOY.rglob("jobs.yaml")), ids=lambda file: file.parent.name)
def test_the_first_jobs_are_valid(file: Path) -> None:
    checked = check_sources([Source(file.name, file.read_bytes())])

    assert (checked.diagnostics, checked.state is not None) == ((), True)


def test_whoever_stops_nodes_waits_longer_than_their_grace() -> None:
    stop = int(SERVICES["node"]["stop_grace_period"].removesuffix("s"))
    terminate = PODS["jobsched-node"]["spec"]["terminationGracePeriodSeconds"]
    units = [int(unit_settings(unit)["TimeoutStopSec"]) for unit in UNITS if "jobsched run " in unit.read_text()]

    assert min(stop, terminate, *units) > GRACE


# --- the image ------------------------------------------------------------------------------------------------------


def test_what_the_image_stands_on_is_named_by_version_and_distribution() -> None:
    images = [stage.base for stage in stages()] + [SERVICES["postgres"]["image"]]

    assert [image for image in images if not re.fullmatch(r"[a-z]+:\d+(\.\d+)*(-slim)?-[a-z]+", image)] == []
    assert BUILD.base == IMAGE.base


def test_the_image_is_nobody_powerful() -> None:
    [user] = IMAGE.all("USER")
    after = [name for name, _ in IMAGE.instructions][[name for name, _ in IMAGE.instructions].index("USER") :]

    uid, _, gid = user.partition(":")
    assert (uid.isdecimal(), gid.isdecimal(), "0" in (uid, gid)) == (True, True, False)
    assert "RUN" not in after


def test_files_are_copied_never_fetched() -> None:
    everything = [each for stage in stages() for each in stage.instructions]

    assert [name for name, _ in everything if name == "ADD"] == []
    assert [words for name, words in everything if name == "RUN" and re.search(r"\b(curl|wget|apt-get)\b", words)] == []


def test_nothing_is_installed_that_was_not_chosen() -> None:
    installs = [
        words for stage in stages() for run in stage.all("RUN") for words in run.split("&&") if " install " in words
    ]
    pip = [words for words in installs if words.split()[0] == "pip"]

    assert len(pip) == 2
    assert [words for words in pip if "--require-hashes" not in words and "--no-index" not in words] == []


def test_what_the_image_runs_is_an_argument_list() -> None:
    for name in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
        assert all(isinstance(word, str) for word in exec_form(name)), name


def test_whatever_is_copied_is_there_and_is_not_ignored() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    copied = [word.rstrip("/") for words in BUILD.all("COPY") for word in words.split()[:-1]]

    assert "*" in ignored
    assert [path for path in let_through if not (ROOT / path).exists()] == []
    assert sorted(copied) == sorted(let_through)


def test_the_health_file_lies_where_a_read_only_container_can_write() -> None:
    file = re.findall(r"JOBSCHED_HEALTH_FILE=(\S+)", " ".join(IMAGE.all("ENV")))
    folder = str(Path(file[0]).parent)

    assert all(folder in service["tmpfs"] for service in OURS.values() if service["read_only"])
    for name in PODS:
        mounted = {mount["name"]: mount["mountPath"] for mount in container(name)["volumeMounts"]}
        empty = [volume["name"] for volume in PODS[name]["spec"]["volumes"] if "emptyDir" in volume]
        assert folder in [mounted[volume] for volume in empty], name


# --- compose --------------------------------------------------------------------------------------------------------


def test_compose_begins_with_the_database_then_its_schema_then_two_nodes() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert SERVICES["node"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert SERVICES["node"]["deploy"]["replicas"] == 2
    assert "healthcheck" in SERVICES["postgres"]


def test_compose_builds_our_image_under_our_version() -> None:
    for service in OURS.values():
        assert service["image"] == f"jobsched:{__version__}"
        assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
        assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_compose_gives_no_rights_and_opens_no_port_of_the_database() -> None:
    for name, service in OURS.items():
        assert (service["cap_drop"], service["read_only"]) == (["ALL"], True), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert "ports" not in SERVICES["postgres"]


def test_compose_mounts_what_is_there_and_asks_for_what_its_example_names() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(\w+)", text))
    mounts = [each.split(":") for service in SERVICES.values() for each in service.get("volumes", [])]

    assert asked == set(re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    for source, *_ in mounts:
        assert (DEPLOY / source).is_dir() if source.startswith(".") else source in COMPOSE["volumes"], source


def test_nodes_are_given_the_folder_of_their_file() -> None:
    [folder] = [each.split(":") for each in SERVICES["node"]["volumes"]]
    pod, spec = container("jobsched-node"), PODS["jobsched-node"]["spec"]
    [config_map] = [volume for volume in spec["volumes"] if "configMap" in volume]
    [mount] = [mount for mount in pod["volumeMounts"] if mount["name"] == config_map["name"]]

    [generated] = KUSTOMIZATION["configMapGenerator"]

    assert folder[1:] == ["/etc/jobs", "ro"]
    assert SERVICES["node"]["command"][-1] == pod["args"][-1] == exec_form("CMD")[-1] == "/etc/jobs/jobs.yaml"
    assert (mount["mountPath"], mount["readOnly"], "subPath" in mount) == ("/etc/jobs", True, False)
    assert config_map["configMap"] == {"name": generated["name"]}
    assert generated["files"] == ["jobs.yaml"]
    # Hot reload, no rollout.
    assert KUSTOMIZATION["generatorOptions"] == {"disableNameSuffixHash": True}


# --- kubernetes -----------------------------------------------------------------------------------------------------


def test_the_kustomization_has_every_file_but_the_secret() -> None:
    files = {path.name for path in KUBERNETES.iterdir()}

    assert files == {*KUSTOMIZATION["resources"], "kustomization.yaml", "jobs.yaml", "secret.example.yaml"}
    assert [image["name"] for image in KUSTOMIZATION["images"]] == ["jobsched"]
    assert KUSTOMIZATION["images"][0]["newTag"] == __version__
    assert {container(name)["image"] for name in PODS} == {"jobsched"}


@pytest.mark.parametrize("name", OBJECTS)
def test_every_object_is_one_that_kubernetes_has(name: str) -> None:
    known = {
        "ServiceAccount": "v1",
        "Service": "v1",
        "Job": "batch/v1",
        "Deployment": "apps/v1",
        "PodDisruptionBudget": "policy/v1",
    }
    found = OBJECTS[name]

    assert found["apiVersion"] == known[found["kind"]]
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", found["metadata"]["name"])
    assert "namespace" not in found["metadata"]


def test_selectors_match_the_pods_that_are_meant() -> None:
    nodes, budget = OBJECTS["Deployment jobsched-node"], OBJECTS["PodDisruptionBudget jobsched-node"]
    labels = PODS["jobsched-node"]["metadata"]["labels"]
    [spread] = PODS["jobsched-node"]["spec"]["topologySpreadConstraints"]

    for selector in (nodes["spec"]["selector"], budget["spec"]["selector"], spread["labelSelector"]):
        assert selector == {"matchLabels": labels}
    served = PODS["jobsched-serve"]["metadata"]["labels"]
    assert OBJECTS["Service jobsched"]["spec"]["selector"] == served
    assert OBJECTS["Deployment jobsched-serve"]["spec"]["selector"] == {"matchLabels": served}
    assert labels not in [PODS["jobsched-migration"]["metadata"]["labels"], served]
    assert nodes["spec"]["replicas"] == 2


def test_the_secret_that_is_asked_for_is_the_one_of_the_example() -> None:
    secret = yaml.safe_load((KUBERNETES / "secret.example.yaml").read_text(encoding="utf-8"))

    for name in PODS:
        variables = {
            each["name"]: each["valueFrom"]["secretKeyRef"] for each in container(name)["env"] if "valueFrom" in each
        }
        assert "JOBSCHED_DATABASE_URL" in variables
        assert {reference["name"] for reference in variables.values()} == {secret["metadata"]["name"]}
        assert {reference["key"] for reference in variables.values()} <= secret["stringData"].keys()


@pytest.mark.parametrize("name", PODS)
def test_no_pod_has_rights(name: str) -> None:
    spec, pod = PODS[name]["spec"], container(name)
    uid, _, gid = IMAGE.all("USER")[0].partition(":")

    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": int(uid),
        "runAsGroup": int(gid),
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"] == OBJECTS["ServiceAccount jobsched"]["metadata"]["name"]
    assert "memory" in pod["resources"]["limits"]


def test_a_database_that_is_away_has_no_node_killed() -> None:
    pod = container("jobsched-node")

    assert "--ready" not in pod["livenessProbe"]["exec"]["command"]
    assert "--ready" in pod["readinessProbe"]["exec"]["command"]


KUSTOMIZE = next(
    (words for words in (["kustomize", "build"], ["kubectl", "kustomize"]) if shutil.which(words[0]) is not None), None
)


@pytest.mark.skipif(KUSTOMIZE is None, reason="needs kustomize, or kubectl, which has it")
def test_kustomize_makes_of_it_what_is_meant() -> None:
    done = subprocess.run([*(KUSTOMIZE or ()), KUBERNETES], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    built = {f"{each['kind']} {each['metadata']['name']}": each for each in yaml.safe_load_all(done.stdout)}
    assert built.keys() == {*OBJECTS, "ConfigMap jobsched-jobs"}
    assert built["ConfigMap jobsched-jobs"]["data"] == {"jobs.yaml": (KUBERNETES / "jobs.yaml").read_text()}
    [image] = KUSTOMIZATION["images"]
    pods = [built[name]["spec"]["template"]["spec"] for name in built if "template" in built[name].get("spec", {})]
    assert {each["containers"][0]["image"] for each in pods} == {f"{image['newName']}:{image['newTag']}"}


# --- systemd --------------------------------------------------------------------------------------------------------


def test_the_api_is_open_to_nobody_without_a_token_and_says_where_it_is() -> None:
    pod = container("jobsched-serve")
    [port] = pod["ports"]
    [service_port] = OBJECTS["Service jobsched"]["spec"]["ports"]
    compose = SERVICES["serve"]

    assert [each.startswith("127.0.0.1:") for each in compose["ports"]] == [True]
    assert pod["args"][pod["args"].index("--port") + 1] == str(port["containerPort"])
    assert service_port["targetPort"] == port["name"] == pod["livenessProbe"]["httpGet"]["port"]
    assert pod["args"][-1] == OBJECTS["Service jobsched"]["metadata"]["name"]
    assert {pod[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {"/healthz", "/readyz"}


def test_each_who_asks_has_a_token_of_its_own_with_a_role_and_no_node_has_any(tmp_path: Path) -> None:
    example = (DEPLOY / "api-tokens.example").read_text(encoding="utf-8")
    secret = yaml.safe_load((KUBERNETES / "secret.example.yaml").read_text(encoding="utf-8"))["stringData"]
    (tmp_path / "empty").write_text(example)
    (tmp_path / "filled").write_text(re.sub(r"^(\w+):(\w+):$", rf"\1:\2:\1{'x' * 40}", example, flags=re.MULTILINE))
    (tmp_path / "secret").write_text(secret["api-tokens"])

    with pytest.raises(Failure, match="is no token"):
        tokens_of({}, {FILE: str(tmp_path / "empty")})
    for name in ("filled", "secret"):
        found = tokens_of({}, {FILE: str(tmp_path / name)})
        assert [(token.name, str(token.role)) for token in found] == [
            ("shop", "admin"),
            ("oncall", "operate"),
            ("monitor", "read"),
        ]
    assert "API_TOKEN" not in json.dumps([SERVICES["node"], container("jobsched-node")])
    assert "TOKEN" not in (UNITS[0].parent / "jobsched.service").read_text(encoding="utf-8")


def test_the_tokens_lie_where_the_api_looks_for_them() -> None:
    compose, pod = SERVICES["serve"], container("jobsched-serve")
    [name] = compose["secrets"]
    [volume] = [each for each in PODS["jobsched-serve"]["spec"]["volumes"] if "secret" in each]
    [mount] = [each for each in pod["volumeMounts"] if each["name"] == volume["name"]]
    [item] = volume["secret"]["items"]
    variables = {each["name"]: each.get("value") for each in pod["env"]}
    unit = (UNITS[0].parent / "jobsched-serve.service").read_text(encoding="utf-8")
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()

    assert compose["environment"][FILE] == f"/run/secrets/{name}"
    assert COMPOSE["secrets"] == {name: {"file": "./api-tokens"}}
    assert "/deploy/api-tokens" in ignored
    assert variables[FILE] == f"{mount['mountPath']}/{item['path']}"
    assert f"LoadCredential={name}:" in unit
    assert f"Environment={FILE}=%d/{name}\n" in unit


@pytest.mark.parametrize(
    "unit", [unit for unit in UNITS if "jobsched run " in unit.read_text()], ids=lambda unit: unit.name
)
def test_a_unit_of_a_node_fits_what_the_node_tells_systemd(unit: Path) -> None:
    settings = unit_settings(unit)

    assert (settings["Type"], settings["NotifyAccess"], settings["KillMode"]) == ("notify", "main", "mixed")
    assert int(settings["WatchdogSec"]) >= 2 * LEASE
    assert settings["User"] != "root"
    assert (unit.parent / f"{Path(settings['EnvironmentFile']).name}.example").is_file()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_every_unit(unit: Path, tmp_path: Path) -> None:
    # Neither the program nor its user is here.
    text = re.sub(r"^(ExecStart=)\S+", r"\1/bin/true", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
    copy = tmp_path / unit.name
    copy.write_text(re.sub(r"^User=.*$", "User=root", text, flags=re.MULTILINE), encoding="utf-8")

    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=60)

    assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, [])

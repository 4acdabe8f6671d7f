"""What docs/hot-reload.md says is held by tests that are there, and its examples are what they claim to be."""

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from jobsched.runner.options import Options

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "hot-reload.md").read_text()
CASES = PAGE.partition("| case | test |")[2].partition("\n## ")[0]
HOOK, WORKFLOW, APPLY, KUSTOMIZATION, DEPLOYMENT = (
    yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
)


def test_each_case_of_hot_reload_has_a_test() -> None:
    tests = "".join(file.read_text() for file in sorted((ROOT / "tests").glob("*/test_*.py")))
    rows = [row for row in CASES.splitlines() if row.startswith("| ")]
    named = [re.findall(r"`(\w+)`", row.split("|")[2]) for row in rows]

    assert len(rows) > 20
    assert all(named)
    assert [name for names in named for name in names if f"def {name}(" not in tests] == []


@pytest.mark.parametrize("valid", [True, False])
def test_the_commands_of_the_gitops_examples_judge_a_file(place: "Workplace", valid: bool) -> None:
    place.write(f"version: 1\njobs:\n  one: {{command: ['true'], {'every' if valid else 'evry'}: 1h}}\n")
    entries = [
        HOOK["repos"][0]["hooks"][0]["entry"],
        *(
            step["run"]
            for job in (WORKFLOW["jobs"]["check"], APPLY["apply"])
            for step in job["steps"]
            if step.get("run", "").startswith("jobsched")
        ),
    ]

    for entry in entries:
        command, *arguments = shlex.split(entry)
        assert command == "jobsched"
        place.jobsched(*arguments, code=0 if valid else 1)

    assert len(entries) == 4


def test_the_job_that_applies_fits_into_the_workflow() -> None:
    assert "  apply:\n    if:" in PAGE  # as deep as `check` is
    assert APPLY["apply"]["needs"] in WORKFLOW["jobs"]
    # YAML 1.1 reads GitHub's key `on` as true.
    assert set(WORKFLOW[True]) == {"pull_request", "push"}


def test_the_command_of_the_kubernetes_example_is_one(place: "Workplace") -> None:
    pod = DEPLOYMENT["spec"]["template"]["spec"]
    [container] = pod["containers"]
    command, subcommand, path = container["command"]

    place.write("version: 1\njobs: {}\n")
    place.jobsched(subcommand, str(place.folder / Path(path).name), "--until-idle")

    assert command == "jobsched"
    assert Path(path).parent == Path(container["volumeMounts"][0]["mountPath"])


def test_the_kubernetes_example_names_what_it_has() -> None:
    template = DEPLOYMENT["spec"]["template"]
    [container], [volume] = template["spec"]["containers"], template["spec"]["volumes"]
    [generator] = KUSTOMIZATION["configMapGenerator"]
    [variable] = container["env"]

    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
    assert container["volumeMounts"][0]["name"] == volume["name"]
    assert volume["configMap"]["name"] == generator["name"]
    assert generator["files"] == [Path(container["command"][-1]).name]
    assert variable["name"] == "JOBSCHED_DATABASE_URL"
    assert template["spec"]["terminationGracePeriodSeconds"] > Options().grace.total_seconds()

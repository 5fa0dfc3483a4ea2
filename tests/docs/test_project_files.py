"""The files at the top for contributors and for GitHub: they parse, and what they name exists."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGES = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "README.md")


def workflow(path: Path) -> dict[str, Any]:
    """A workflow with its key ``on``, which YAML 1.1 reads as true."""
    content = yaml.safe_load(path.read_text())
    return content | {"on": content.pop(True)}


def made_by(path: Path) -> list[str]:
    """The targets of every ``make`` in a workflow, those of a matrix included."""
    targets = []
    for job in workflow(path)["jobs"].values():
        commands = [step["run"] for step in job["steps"] if "run" in step]
        for words in re.findall(r"\bmake (.+)", "\n".join(commands)):
            if "matrix.target" in words:
                targets += job["strategy"]["matrix"]["target"]
            else:
                targets += words.split()
    return targets


def test_every_target_is_phony():
    [names] = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.M)
    assert set(names.split()) == TARGETS


def test_the_workflows_make_targets_that_exist():
    targets = {path.stem: made_by(path) for path in WORKFLOWS}
    assert targets == {
        "check": ["check"],
        "test": ["test"],
        "nightly": [
            "test-slow",
            "simulate",
            "fuzz",
            "faults",
            "bench",
            "site",
            "test-cluster",
            "reference",
            "scaling-page",
            "tour",
        ],
    }
    assert {name for names in targets.values() for name in names} <= TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_checks_out_installs_python_and_has_a_time_limit(path):
    content = workflow(path)
    assert content["permissions"] == {"contents": "read"}
    assert content["on"]
    for job in content["jobs"].values():
        assert job["timeout-minutes"] <= 180
        assert [step["uses"].partition("@")[0] for step in job["steps"][:2]] == [
            "actions/checkout",
            "actions/setup-python",
        ]


def test_the_tests_run_on_the_oldest_python():
    versions = workflow(ROOT / ".github" / "workflows" / "test.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert f">={versions[0]}" == SETUP["requires-python"]
    assert {f"Programming Language :: Python :: {number}" for number in versions} <= set(SETUP["classifiers"])


def test_the_issue_templates_have_a_head():
    files = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md"))
    heads = [yaml.safe_load(file.read_text().split("---\n")[1]) for file in files]
    assert [head["name"] for head in heads] == ["Bug", "New paper", "Wrong number"]
    assert all(set(head) == {"name", "about", "labels"} for head in heads)


def test_the_hooks_before_a_commit_are_what_make_check_runs():
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    entries = [
        hook["entry"].removesuffix(" --force-exclude").removeprefix(".venv/bin/") for hook in repository["hooks"]
    ]
    assert entries == re.findall(r"^\t\$\(BIN\)/(ruff .+) \.$", MAKEFILE, re.M)


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == SETUP["name"]
    assert citation["version"] == SETUP["version"]
    assert citation["license"] == SETUP["license"]
    assert citation["authors"] == SETUP["authors"]


def test_the_version_stands_in_one_place():
    import orchestrator

    assert orchestrator.__version__ == SETUP["version"]
    assert SETUP["version"] not in (ROOT / "orchestrator" / "__init__.py").read_text()
    assert f"\n## {SETUP['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_contributing_names_targets_files_and_entry_points_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    commands = re.findall(r"`make ([a-z- ]+)`", text) + re.findall(r"^make ([a-z- ]+?) *(?:#|$)", text, re.M)
    named = {word for words in commands for word in words.split()}
    assert named == TARGETS
    paths = [path for path in re.findall(r"`([\w.-]+(?:/[\w.-]+)+/?)`", text) if not re.search(r"[A-Z]{4}", path)]
    assert len(paths) > 15
    assert [path for path in paths if path != "build/site" and not (ROOT / path).exists()] == []
    assert set(re.findall(r"`(marl_orchestrator\.\w+)`", text)) <= set(SETUP["entry-points"])


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name):
    targets = re.findall(r"\]\(([^)#]+)", (ROOT / name).read_text())
    assert [target for target in targets if not target.startswith("https://") and not (ROOT / target).exists()] == []

"""Pins are stated in several files: they agree."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import jinja2
import pytest
import yaml

from cch_omics.planning.code import ROOT as PACKAGE_ROOT

ROOT = Path(__file__).parents[2]
# Names that conda-forge gives to packages of PyPI.
NAMES_ON_PYPI = {"matplotlib-base": "matplotlib", "pytorch-cpu": "torch", "pytorch-gpu": "torch"}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))


def environment(name: str) -> dict[str, str]:
    content = yaml.safe_load((ROOT / "envs" / name).read_text())
    found = dict(line.split("=") for line in content["dependencies"])
    return {NAMES_ON_PYPI.get(package, package): version for package, version in found.items()}


def requirements(*extras: str) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return [re.split(r"[<>=!~ \[]", line)[0].lower() for group in groups for line in group]


def test_the_requirements_are_what_the_package_imports() -> None:
    imported: set[str] = set()
    for file in PACKAGE_ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or "").partition(".")[0])
    names = {"scikit-learn": "sklearn", "scikit-survival": "sksurv", "pyyaml": "yaml"}
    required = {names.get(name, name) for name in requirements()}
    assert imported - set(sys.stdlib_module_names) - {PACKAGE_ROOT.name} == required


def test_every_line_of_the_constraints_is_an_exact_public_version() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line), line
    assert pins()["torch"] == "2.13.0"


def test_every_requirement_is_pinned_within_its_range() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = pins()
    for line in [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]:
        requirement = Requirement(line)
        assert requirement.name.lower() in pinned, line
        assert requirement.specifier.contains(pinned[requirement.name.lower()]), line


@pytest.mark.parametrize("name", [path.name for path in (ROOT / "envs").glob("*.yaml")])
def test_conda_environments_repeat_the_constraints(name: str) -> None:
    pinned = pins()
    for package, version in environment(name).items():
        if package == "python":
            assert version == "3.11"
        else:
            assert version == pinned[package], package


def test_conda_environments_hold_what_the_package_requires() -> None:
    # The workflow's own process needs Snakemake, its jobs do not.
    needed = set(requirements()) - {"snakemake"}
    assert set(environment("cpu.yaml")) == set(environment("gpu.yaml")) == needed | {"python"}


def test_the_recipe_for_bioconda_requires_what_the_package_requires() -> None:
    content = jinja2.Template((ROOT / "envs" / "bioconda" / "meta.yaml").read_text())
    recipe = yaml.safe_load(content.render(pin_subpackage=lambda name, **_: name, PYTHON="python"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    on_pypi = NAMES_ON_PYPI | {"pytorch": "torch", "snakemake-minimal": "snakemake"}
    run = [line.split(" ", 1) for line in recipe["requirements"]["run"]]
    ranges = {on_pypi.get(name, name): wanted for name, wanted in run}
    assert ranges.pop("python") == project["requires-python"]
    assert [f"{name}{wanted}" for name, wanted in ranges.items()] == project["dependencies"]
    assert recipe["build"]["entry_points"] == [f"{name} = {at}" for name, at in project["scripts"].items()]
    assert recipe["about"]["license"] == project["license"]


def test_workflows_of_the_host_call_commands_that_exist() -> None:
    """What a host runs is what can be run anywhere: scripts of .ci, and make."""
    made = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = []
    for file in (ROOT / ".github" / "workflows").glob("*.yml"):
        for job in yaml.safe_load(file.read_text())["jobs"].values():
            called += [step["run"] for step in job["steps"] if "run" in step]
    scripts = [found[1] for command in called if (found := re.match(r"bash (\S+)", command))]
    assert set(scripts) == {".ci/run", ".ci/ranges", ".ci/release"}
    assert all(os.access(ROOT / script, os.X_OK) for script in scripts)
    targets = [target for command in called for target in re.findall(r"^make (\S+)", command)]
    assert targets and set(targets) <= made
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    check = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert check is not None
    assert {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in hooks} == set(
        re.findall(r"\$\(BIN\)/(\w+)", check[1])
    )


def test_the_container_takes_its_versions_from_the_constraints_and_states_none() -> None:
    lines = [line for line in (ROOT / "envs" / "Containerfile").read_text().splitlines() if not line.startswith("#")]
    text = "\n".join(lines)
    assert f"FROM docker.io/library/python:{environment('cpu.yaml')['python']}-" in text
    installs = re.findall(r"pip install .*", text)
    assert len(installs) == 2
    assert all("--constraint constraints.txt" in command for command in installs)
    assert not re.search(r"[<>=~]=\s*\d", text)
    copied = " ".join(re.findall(r"^COPY (.*)", text, re.MULTILINE)).split()
    # `cch run` in the image finds what the wheel ships.
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {"constraints.txt", "pyproject.toml", *wheel["packages"], *wheel["shared-data"]} <= set(copied)
    for name in copied:
        assert name == "./" or (ROOT / name).exists(), name


def test_gpu_and_cpu_variants_differ_in_the_build_of_torch_alone() -> None:
    cpu, gpu = ((ROOT / "envs" / f"{kind}.yaml").read_text().splitlines() for kind in ("cpu", "gpu"))
    differing = [pair for pair in zip(cpu, gpu, strict=True) if pair[0] != pair[1] and not pair[0].startswith("#")]
    (pair,) = differing
    assert [re.sub(r"pytorch-(cpu|gpu)", "pytorch", line) for line in pair] == [f"  - pytorch={pins()['torch']}"] * 2


def test_every_rule_gets_the_environment_of_the_profile() -> None:
    rules = "\n".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
    bodies = dict(re.findall(r"^rule (\w+):\n((?:(?:    .*)?\n)*)", rules, re.MULTILINE))
    for name, body in bodies.items():
        assert re.search(r"conda:\n        ENVIRONMENT\n", body), name


def test_the_last_release_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (released, *_) = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["fallback-version"] == released
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == released


@pytest.mark.parametrize("installed", [True, False])
def test_the_version_is_known_with_and_without_an_installation(installed: bool, tmp_path: Path) -> None:
    """A clone that is used without one says its commit, and a copy without history that it does not know."""
    command = "import cch_omics; print(cch_omics.__version__)"
    here, copy = ROOT, tmp_path / "copy"
    shutil.copytree(PACKAGE_ROOT, copy / "cch_omics")
    # -S: without what is installed.
    said = {}
    for folder in (here, copy):
        options = [] if installed else ["-S"]
        environment = {**os.environ, "PYTHONPATH": str(folder), "GIT_CEILING_DIRECTORIES": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, *options, "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        said[folder] = done.stdout.strip()
    if installed:
        assert said[here] == said[copy] == importlib.metadata.version("cch_omics")
    else:
        assert re.fullmatch(r"[0-9a-f]{7,}(-dirty)?|\d+\.\d+\S*", said[here]) and said[copy] == "unknown"


def test_the_wheel_ships_the_package_and_the_workflow() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["cch_omics"]
    assert wheel["shared-data"] == {name: f"share/cch_omics/{name}" for name in ("workflow", "config", "envs")}

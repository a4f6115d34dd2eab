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
def test_the_version_is_that_of_the_code_that_runs(installed: bool, tmp_path: Path) -> None:
    """A clone says its commit, whatever was installed from it and when; a copy of it, the installed version or none."""
    clone = tmp_path / "clone"
    shutil.copytree(PACKAGE_ROOT, clone / "cch_omics", ignore=shutil.ignore_patterns("__pycache__"))

    def git(folder: Path, *said: str) -> str:
        command = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@example.org", *said]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def version(folder: Path, **changed: str) -> str:
        # -S: without what is installed.
        command = [
            sys.executable,
            *([] if installed else ["-S"]),
            "-c",
            "import cch_omics; print(cch_omics.__version__)",
        ]
        environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **changed}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    without_git = importlib.metadata.version("cch_omics") if installed else "unknown"
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "another repository, which holds an environment")
    assert version(clone) == without_git

    git(clone, "init", "--quiet")
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "--message", "one")
    assert version(clone) == git(clone, "rev-parse", "--short", "HEAD")
    # As in a hook of another repository.
    assert version(clone, GIT_DIR=str(tmp_path / ".git")) == version(clone)
    git(clone, "tag", "v9.8.7")
    assert version(clone) == "9.8.7"
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "two")
    commit = git(clone, "rev-parse", "--short", "HEAD")
    assert version(clone) == f"9.8.7-1-g{commit}"
    (clone / "cch_omics" / "keys.py").write_text("")
    assert version(clone) == f"9.8.7-1-g{commit}-dirty"
    git(clone, "worktree", "add", "--quiet", str(tmp_path / "tree"))
    assert version(tmp_path / "tree") == f"9.8.7-1-g{commit}"
    assert version(clone, PATH=str(tmp_path)) == without_git


def test_the_wheel_ships_the_package_and_the_workflow() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["cch_omics"]
    assert wheel["shared-data"] == {name: f"share/cch_omics/{name}" for name in ("workflow", "config", "envs")}


def test_the_catalogue_of_workflows_offers_what_its_users_can_run() -> None:
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert not any(usage["mandatory-flags"].values())
    image = re.search(r'"CCH_OMICS_IMAGE", "(.+)"', (ROOT / "workflow" / "Snakefile").read_text())
    assert image is not None
    # Nobody but who builds it has an image that is a file.
    assert usage["software-stack-deployment"]["apptainer"] == ("://" in image[1])


@pytest.fixture
def to_release(tmp_path: Path) -> Path:
    """A clone at the tag of a release, 1.2.3."""
    for name in (".ci/release", "CHANGELOG.md", "CITATION.cff", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (released, *_) = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## Unreleased\n\n## 1.2.3\n\n- News.\n\n## 1.2.2\n\n- Old.\n"
    )
    for name in ("CITATION.cff", "pyproject.toml"):
        _replace(tmp_path / name, released, "1.2.3")
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "1.2.3"], ["tag", "v1.2.3"]):
        name = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *name, *command], check=True)
    return tmp_path


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def _release(folder: Path, version: str) -> subprocess.CompletedProcess[str]:
    # Nothing is built: an interpreter that stops.
    bin = folder / ".git" / "bin"
    bin.mkdir()
    (bin / "python3.11").write_text("#!/bin/sh\nexit 77\n")
    (bin / "python3.11").chmod(0o755)
    environment = {**os.environ, "PATH": f"{bin}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", str(folder / ".ci" / "release"), version], env=environment, capture_output=True, text=True
    )


def test_a_tagged_release_is_built_with_its_own_notes(to_release: Path) -> None:
    done = _release(to_release, "v1.2.3")
    assert (done.returncode, done.stderr) == (77, "")
    assert (to_release / "release" / "NOTES.md").read_text().strip() == "- News."


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("CHANGELOG.md", "## 1.2.3", "## 1.2.4", "CHANGELOG.md has no lines under '## 1.2.3'"),
        ("CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n- More.\n", "CHANGELOG.md has lines under 'Unreleased'"),
        ("CITATION.cff", "1.2.3", "1.2.30", "CITATION.cff does not name 1.2.3"),
        ("pyproject.toml", "1.2.3", "1.2.2", "pyproject.toml does not name 1.2.3"),
        ("CITATION.cff", "cch_omics", "cch-omics", "files differ from the commit"),
    ],
)
def test_a_release_that_is_not_ready_is_refused_before_anything_is_built(
    to_release: Path, file: str, old: str, new: str, said: str
) -> None:
    _replace(to_release / file, old, new)
    done = _release(to_release, "v1.2.3")
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert not (to_release / "release").exists()


def test_a_release_without_its_tag_is_refused(to_release: Path) -> None:
    subprocess.run(["git", "-C", str(to_release), "tag", "--delete", "v1.2.3"], check=True, capture_output=True)
    done = _release(to_release, "v1.2.3")
    assert done.returncode == 1
    assert done.stderr.startswith("the version comes from the tag, and this commit is not v1.2.3: git tag v1.2.3")

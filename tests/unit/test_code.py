"""The hash of a step changes with the code of its layer and of those below it, and with no other."""

import subprocess
import sys
from pathlib import Path

import pytest

from cch_omics.planning.code import LAYERS, ROOT, code_hash
from cch_omics.planning.steps import STEPS

FILES = [
    "cli/steps.py", "errors.py", "config/sheet.py", "tasks/base.py", "data/mudata.py", "splits.py", "models/encode.py",
    "information/ksg.py", "verdict/rule.py", "evaluation/gains.py", "student/bundle.py", "report/templates/page.html",
]  # fmt: skip
# Of these files, the first ones matter to a step.
USED = {"demo": 0, "download": 0, "simulate": 5, "ingest": 6, "encode": 7, "distil": 7, "baselines": 7,
        "information": 8, "verdict": 9, "evaluate": 11,
        "validation": 11, "analyse": 11, "report": 12, "pool": 12}  # fmt: skip


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name in [*FILES, "tl.py", "models/.hidden.py", "models/old.pyc"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path


@pytest.mark.parametrize("step", STEPS)
def test_a_hash_follows_the_layers_up_to_that_of_the_step(package: Path, step: str) -> None:
    followed = []
    for name in FILES:
        before = code_hash(step, package)
        (package / name).write_text("# edited\n")
        if code_hash(step, package) != before:
            followed.append(name)
    assert followed == FILES[: USED[step]]


@pytest.mark.parametrize("name", ["tl.py", "models/.hidden.py", "models/old.pyc"])
def test_what_no_step_runs_does_not_matter(package: Path, name: str) -> None:
    before = code_hash("report", package)
    (package / name).write_text("# edited\n")
    assert code_hash("report", package) == before


def test_a_new_file_and_a_new_name_count(package: Path) -> None:
    hashes = [code_hash("encode", package)]
    (package / "models" / "new.py").write_text("")
    hashes.append(code_hash("encode", package))
    (package / "models" / "new.py").rename(package / "models" / "newer.py")
    hashes.append(code_hash("encode", package))
    assert len(set(hashes)) == 3


def test_every_file_of_the_package_is_in_a_layer() -> None:
    listed = {name for _, names in LAYERS for name in names}
    for_people = {"__init__.py", "__main__.py", "tl.py", "pl.py", "pp.py", "py.typed", "__pycache__"}
    assert {path.name for path in ROOT.iterdir()} - for_people == listed


HEAVY = ("torch", "anndata", "mudata", "matplotlib", "sklearn", "scipy", "pandas", "numpy", "rich")


def imported(code: str) -> str:
    code = f"import sys\n{code}\nprint([name for name in {HEAVY} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_planning_and_the_command_line_import_nothing_heavy() -> None:
    planning = ", ".join(path.stem for path in (ROOT / "planning").glob("[!_]*.py"))
    code = f"from cch_omics.planning import {planning}\nfrom cch_omics import cli, config, keys\ncode.code_hash('pool')"
    assert imported(code) == "[]"


def test_training_starts_without_scikit_learn() -> None:
    """Most jobs of a run are trainings; with it each would start most of a second later."""
    found = imported("from cch_omics.models import distil, encode")
    assert not {"sklearn", "matplotlib", "anndata"} & set(found.strip("[]").replace("'", "").split(", "))

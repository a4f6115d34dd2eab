"""The hash of a command changes with the code that it uses, and with no other."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cch_omics import provenance
from cch_omics.cli import COMMANDS
from cch_omics.provenance import ROOT, code_hash, module_closure

CLI = '''
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from cch_omics import typed
from cch_omics.shared import helper

def first(args):
    """Uses deep code through a helper."""
    from cch_omics.inner.used import run
    _load(args)

def _load(args):
    from . import loader

def second(args):
    from cch_omics import other
    first = 1

def third(args):
    return helper(args)
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    files = {
        "__init__.py": "",
        "cli.py": CLI,
        "typed.py": "",
        "shared.py": "",
        "other.py": "",
        "loader.py": "import numpy\n",
        "deep.py": "",
        "inner/__init__.py": "from .sibling import x\n",
        "inner/sibling.py": "",
        "inner/used.py": "def run():\n    from ..deep import y\n",
        "inner/unused.py": "",
        "inner/templates/page.html": "",
    }
    for name, text in files.items():
        path = tmp_path / "cch_omics" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "cch_omics"


USED = [
    "__init__.py",
    "loader.py",
    "deep.py",
    "inner/__init__.py",
    "inner/sibling.py",
    "inner/used.py",
    "inner/templates/page.html",
]
NOT_USED = ["typed.py", "shared.py", "other.py", "inner/unused.py"]


@pytest.mark.parametrize("name", USED + NOT_USED)
def test_hash_follows_what_the_command_imports(package: Path, name: str) -> None:
    before = code_hash("first", package)
    (package / name).write_text((package / name).read_text() + "# edited\n")
    assert (code_hash("first", package) != before) == (name in USED)


def test_hash_follows_the_command_itself_and_its_helpers_only(package: Path) -> None:
    before = {name: code_hash(name, package) for name in ("first", "second", "third")}
    (package / "cli.py").write_text(CLI.replace("_load(args):", "_load(args):\n    args.done = True"))
    after = {name: code_hash(name, package) for name in before}
    assert {name for name in before if before[name] != after[name]} == {"first"}


def test_hash_follows_an_import_at_the_top_only_where_its_name_is_used(package: Path) -> None:
    before = {name: code_hash(name, package) for name in ("first", "second", "third")}
    (package / "shared.py").write_text("edited = 1\n")
    after = {name: code_hash(name, package) for name in before}
    assert {name for name in before if before[name] != after[name]} == {"third"}


def test_unknown_command(package: Path) -> None:
    with pytest.raises(ValueError, match="no function 'fourth'"):
        code_hash("fourth", package)


def test_every_command_has_a_hash() -> None:
    hashes = {name: code_hash(name) for name in COMMANDS}
    assert len(set(hashes.values())) == len(hashes)


def test_distil_uses_the_trainer_and_not_the_report() -> None:
    source = (ROOT / "cli.py").read_text()
    assert "from cch_omics.distillation import" in source
    reached = module_closure({"cch_omics.distillation"})
    assert {"cch_omics.training", "cch_omics.ensemble", "cch_omics.config"} <= reached
    assert not any(name.startswith("cch_omics.report") for name in reached)


def test_an_edit_between_two_calls_is_seen(tmp_path: Path) -> None:
    copy = tmp_path / "cch_omics"
    shutil.copytree(ROOT, copy)
    before = code_hash("distil", copy)
    assert before == code_hash("distil")
    with (copy / "ensemble.py").open("a") as file:
        file.write("# edited\n")
    assert code_hash("distil", copy) != before


def test_planning_imports_nothing_heavy() -> None:
    heavy = ("torch", "anndata", "mudata", "scanpy", "matplotlib", "sklearn", "pandas", "numpy")
    code = (
        "import sys\n"
        "from cch_omics import cli, config, keys, errors, plan, provenance\n"
        "provenance.code_hash('distil')\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_training_starts_without_scikit_learn() -> None:
    """Most jobs of a run are trainings; with it each would start most of a second later."""
    code = (
        "import sys\n"
        "from cch_omics import distillation, encoders\n"
        "print([name for name in ('sklearn', 'scipy.stats', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_provenance_names_this_package() -> None:
    assert provenance.ROOT.name == provenance.PACKAGE

"""The layers of the package: imports point down, tasks stay inside `tasks`, and planning stays light."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import cch_omics

PACKAGE = Path(cch_omics.__file__).parent
# What the configuration offers stands below it: names of tasks, estimators, criteria and recipes.
REGISTRIES = {"tasks", "information.registry", "models.recipes"}
# From the ground up; the longest prefix that fits a module is its layer.
LAYERS = (
    ("", "keys", "errors"),
    ("runtime",),
    ("registries", "verdict.criteria"),
    ("config",),
    ("planning",),
    ("tasks",),
    ("cohort",),
    ("views",),
    ("data",),
    ("splits",),
    ("models",),
    ("information",),
    ("verdict",),
    ("evaluation",),
    ("vocabulary",),
    ("student",),
    ("report",),
    ("pp",),
    ("tl", "pl"),
    ("cli",),
    ("__main__",),
)
# Names of classification, and files beside `tasks` that are about discrete labels.
OF_CLASSES = re.compile("softmax|one_hot|n_classes|class_offsets|logit_adjust", re.IGNORECASE)
DISCRETE_LABELS = {
    "information/ross.py",
    "information/simulations/discrete.py",
}
# Snakemake's own process imports these.
LIGHT = (
    "cch_omics.planning.layout",
    "cch_omics.planning.sources",
    "cch_omics.planning.steps",
    "cch_omics.planning.code",
    "cch_omics.planning.given_once",
    "cch_omics.planning.unfinished",
    "cch_omics.config",
    "cch_omics.tasks",
    "cch_omics.information.registry",
    "cch_omics.verdict.criteria",
    "cch_omics.models.recipes",
)
HEAVY = ("torch", "pandas", "anndata", "mudata", "scipy", "sklearn", "matplotlib")
# Each takes half a second or more to import, in every process of a step.
STEPS_DO_WITHOUT = ("torch", "torch._dynamo", "scipy.stats", "sklearn", "sksurv", "lightgbm", "matplotlib")


def module_name(path: Path) -> str:
    """Dotted name inside the package; "" is the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports anywhere but for type checkers."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                found.update(name.name for name in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: a relative import"
                within = (f"{child.module}.{name.name}" for name in child.names)
                found.update(name if _inside(name) in MODULES else str(child.module) for name in within)
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return {_inside(name) for name in found if name == "cch_omics" or name.startswith("cch_omics.")}


def _inside(name: str) -> str:
    return name.removeprefix("cch_omics").removeprefix(".")


IMPORTS = {name: imported(path) for name, path in MODULES.items()}


def layer(name: str) -> int:
    """Height of a module."""
    known = "registries" if name in REGISTRIES else name
    fitting = {
        prefix: level
        for level, prefixes in enumerate(LAYERS)
        for prefix in prefixes
        if known == prefix or (prefix and known.startswith(f"{prefix}."))
    }
    assert fitting, f"{name} has no layer"
    return fitting[max(fitting, key=len)]


def test_imports_point_down() -> None:
    up = [
        f"{name} imports {other}" for name, others in IMPORTS.items() for other in others if layer(other) > layer(name)
    ]
    assert not up


def test_no_module_imports_itself_in_a_circle() -> None:
    order = list(TopologicalSorter(IMPORTS).static_order())
    assert set(order) == set(MODULES)


def test_every_import_of_the_package_is_of_a_module_that_exists() -> None:
    unknown = {other for others in IMPORTS.values() for other in others} - set(MODULES)
    assert not unknown


def test_nothing_outside_tasks_knows_of_classes() -> None:
    files = [*MODULES.values(), *(PACKAGE / "report").rglob("*.html")]
    naming = {
        path.relative_to(PACKAGE).as_posix() for path in files if OF_CLASSES.search(path.read_text(encoding="utf-8"))
    }
    assert {name for name in naming if not name.startswith("tasks/")} <= DISCRETE_LABELS
    # The search finds what there is.
    assert any(name.startswith("tasks/classification/") for name in naming)


def test_nothing_outside_tasks_asks_which_task_it_has() -> None:
    for name, others in IMPORTS.items():
        if not name.startswith("tasks"):
            assert not [other for other in others if re.match(r"tasks\.(classification|regression)", other)], name


@pytest.mark.parametrize("module", LIGHT)
def test_planning_stays_light(module: str) -> None:
    asked = f"import sys, {module}; print(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert not done.stdout.split()


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("cch_omics.evaluation, cch_omics.verdict.rule, cch_omics.student, cch_omics.data.mudata", STEPS_DO_WITHOUT),
        ("cch_omics.report", tuple(set(STEPS_DO_WITHOUT) - {"matplotlib"})),
        ("cch_omics.models.baselines", STEPS_DO_WITHOUT),
        ("cch_omics.models.encode, cch_omics.models.distil", tuple(set(STEPS_DO_WITHOUT) - {"torch"})),
    ],
)
def test_a_step_imports_what_it_needs(modules: str, heavy: tuple[str, ...]) -> None:
    tasks = ", ".join(f"cch_omics.tasks.{name}" for name in ("classification", "regression", "survival"))
    asked = f"import sys, {modules}, {tasks}; print(' '.join(name for name in {heavy!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert not done.stdout.split()

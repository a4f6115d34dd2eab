"""Which code made a result: a hash of the modules of this package that a command uses.

A workflow engine reruns a step when its inputs, parameters or shell command change, but does not look into the program
that the command calls. So every rule carries `code_hash(command)` as a parameter. The hash is found by reading the
source, without importing it: Snakemake's own process needs neither torch nor anndata for it.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "cch_omics"
ROOT = Path(__file__).resolve().parent


def code_hash(command: str, root: Path = ROOT) -> str:
    """Hash of everything in the package that the command `cch COMMAND` runs.

    That is the function of the command in `cli.py` with the functions of `cli.py` that it calls, and every module of
    the package that these import, directly or through other modules, with the data files beside those modules. Comments
    and layout count; what other commands import does not.

    Parameters
    ----------
    command
        Name of a function of `cli.py`.
    root
        Folder of the package.

    Raises
    ------
    ValueError
        If `cli.py` has no function of that name.
    """
    entry = root / "cli.py"
    source = entry.read_text(encoding="utf-8")
    nodes = _reached_definitions(ast.parse(source, str(entry)), command)
    if not nodes:
        raise ValueError(f"cli.py has no function {command!r}")
    digest = hashlib.sha256()
    lines = source.splitlines(keepends=True)
    for node in nodes:
        digest.update(b"\0" + "".join(lines[node.lineno - 1 : node.end_lineno]).rstrip("\n").encode())
    direct = {module for node in nodes for module in _imported(node, PACKAGE, root)}
    for file in _files(module_closure(direct, root), root):
        digest.update(b"\0" + file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def module_closure(modules: set[str], root: Path = ROOT) -> set[str]:
    """Modules of the package that importing `modules` runs, themselves and their parent packages included."""
    found: set[str] = set()
    waiting = set(modules)
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        parent = module.rpartition(".")[0]
        waiting |= {parent} if parent else set()
        waiting |= _module_imports(module, root)
    return found


def _reached_definitions(tree: ast.Module, name: str) -> list[ast.stmt]:
    """Top-level statements that `name` needs, in the order of the file: definitions, constants and imports."""
    binders: dict[str, ast.stmt] = {bound: node for node in tree.body for bound in _bound_names(node)}
    reached: set[ast.stmt] = set()
    waiting = [name]
    while waiting:
        node = binders.get(waiting.pop())
        if node is None or node in reached:
            continue
        reached.add(node)
        waiting += _free_names(node)
    return [node for node in tree.body if node in reached]


def _free_names(node: ast.stmt) -> set[str]:
    """Names that a top-level statement takes from its module: loaded in it, but nowhere bound inside it."""
    loaded, bound = set(), set()
    for part in ast.walk(node):
        match part:
            case ast.Name(ctx=ast.Load()):
                loaded.add(part.id)
            case ast.Name():
                bound.add(part.id)
            case ast.arg():
                bound.add(part.arg)
            case ast.Import() | ast.ImportFrom():
                bound |= set(_bound_names(part))
    return loaded - bound


def _bound_names(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
            yield node.name
        case ast.Assign():
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Import() | ast.ImportFrom():
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)


def _files(modules: set[str], root: Path) -> list[Path]:
    """Sources of the modules and, for a sub-package, the data files in its folder (page templates and the like)."""
    files: set[Path] = set()
    for module in modules:
        source = _source(module, root)
        if source is None:
            continue
        files.add(source)
        if source.name == "__init__.py" and module != PACKAGE:
            files |= {
                path
                for path in source.parent.rglob("*")
                if path.is_file() and path.suffix not in {".py", ".pyc"} and not path.name.startswith(".")
            }
    return sorted(files)


def _module_imports(module: str, root: Path) -> set[str]:
    source = _source(module, root)
    if source is None:
        return set()
    package = module if source.name == "__init__.py" else module.rpartition(".")[0]
    return _file_imports(source, source.stat().st_mtime_ns, package, root)


@cache
def _file_imports(source: Path, _stamp: int, package: str, root: Path) -> set[str]:
    return _imported(ast.parse(source.read_text(encoding="utf-8"), str(source)), package, root)


def _imported(tree: ast.AST, package: str, root: Path) -> set[str]:
    """Modules of the package that the imports in `tree` name, also inside functions; not those for type checkers."""
    found: set[str] = set()
    for node in _walk_at_run_time(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if _inside(alias.name)}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            if not _inside(base):
                continue
            found.add(base)
            # `from package import name`: the name may be a module.
            submodules = (f"{base}.{alias.name}" for alias in node.names)
            found |= {name for name in submodules if _source(name, root) is not None}
    return found


def _walk_at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk the tree, but not into `if TYPE_CHECKING:`."""
    yield tree
    children = ast.iter_child_nodes(tree)
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.dump(tree.test):
        children = iter(tree.orelse)
    for child in children:
        yield from _walk_at_run_time(child)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
    return f"{base}.{node.module}" if node.module else base


def _inside(module: str) -> bool:
    return module == PACKAGE or module.startswith(PACKAGE + ".")


def _source(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split(".")[1:])
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None

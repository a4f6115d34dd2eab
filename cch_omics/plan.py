"""What a row of the sheet is read from, as far as planning has to know: its files and the names of its modalities.

Snakemake's own process imports this file: h5py at most, and only for a `.h5mu` source.
"""

import os
from pathlib import Path

from cch_omics.config import SheetRow, check_modality, comma_list
from cch_omics.errors import InputError

# Sources that a step makes, and the modalities that they will have: said again here, because where they are defined
# needs more than planning has (a test keeps the two in step).
DEMOS = {"tcga-brca": ("methylation", "mirna", "rna")}
SIMULATIONS = {
    "complementary": ("rna", "cnv", "rppa"),
    "misleading": ("rna", "mutation"),
    "unrelated": ("rna", "cnv"),
}
TABLE_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".h5ad")
CLINICAL = ("clinical.csv", "clinical.tsv", "clinical.csv.gz", "clinical.tsv.gz")


def made_source(source: str) -> str:
    """File below the folder of resources that `demo:NAME` or `simulated:NAME` is made into; "" for other sources."""
    kind, separator, name = source.partition(":")
    return f"{kind}/{name}.h5mu" if separator and kind in {"demo", "simulated"} else ""


def files_of(row: SheetRow) -> list[str]:
    """Files that a row is read from: the `.h5mu` file, or the tables of its modalities and the clinical table."""
    path = Path(row.source)
    if not path.is_dir():
        return [row.source]
    tables = _tables(path)
    return [str(file) for file in _clinical(path) + [tables[name] for name in modalities_of(row)]]


def modalities_of(row: SheetRow) -> list[str]:
    """Names of the modalities of a row: those it asks for, or else all that its source has.

    Raises
    ------
    InputError
        If the source does not exist or lacks a modality that is asked for, or if there are fewer than two.
    """
    where = f"cohort sheet, cohort {row.cohort!r}, column source"
    available = _available(row.source, where)
    asked = comma_list(row.modalities)
    for name in asked:
        if name not in available:
            raise InputError(
                f"cohort sheet, cohort {row.cohort!r}, column modalities",
                repr(name),
                f"modalities of {row.source}: {', '.join(available)}",
                "Correct the name, or leave the cell empty to take all.",
            )
    chosen = asked or available
    for name in chosen:
        check_modality(name, f"{where}, {row.source}")
    if len(chosen) < 2:
        raise InputError(
            where,
            f"{row.source} with {len(chosen)} modalities ({', '.join(chosen) or 'none'})",
            "at least two",
            "A student needs another omics to learn from. A folder has one MODALITY.csv, .tsv, .parquet or .h5ad each.",
        )
    if row.derived_from and row.derived_from not in available:
        raise InputError(
            f"cohort sheet, cohort {row.cohort!r}, column derived_from",
            repr(row.derived_from),
            f"a modality of {row.source}: {', '.join(available)}",
            "Correct the name, or leave the cell empty.",
        )
    return chosen


def _available(source: str, where: str) -> list[str]:
    kind, separator, name = source.partition(":")
    if separator and kind in {"demo", "simulated"}:
        known = DEMOS if kind == "demo" else SIMULATIONS
        if name not in known:
            raise InputError(
                where, repr(source), f"{kind}:NAME with NAME among {', '.join(known)}", "Correct the name."
            )
        return list(known[name])
    path = Path(source)
    if path.is_dir():
        if not _clinical(path):
            raise InputError(
                where,
                f"the folder {source} without a clinical table",
                "clinical.csv or clinical.tsv beside the tables",
                "It holds the sample id in its first column, and the target in another.",
            )
        return list(_tables(path))
    if path.suffix == ".h5mu" and path.is_file():
        return _modalities_of_h5mu(path, where)
    if path.exists():
        raise InputError(
            where, f"the file {source}", "a .h5mu file or a folder of tables", "Convert it, or put it into a folder."
        )
    raise InputError(
        where,
        f"{source!r}, which does not exist",
        "a .h5mu file, a folder of tables, demo:NAME or simulated:NAME",
        f"Relative paths start at {os.getcwd()}.",
    )


def _clinical(folder: Path) -> list[Path]:
    return [folder / name for name in CLINICAL if (folder / name).is_file()][:1]


def _tables(folder: Path) -> dict[str, Path]:
    """Tables of a folder by modality, sorted by name."""
    tables: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        suffix = next((suffix for suffix in TABLE_SUFFIXES if file.name.endswith(suffix)), "")
        name = file.name.removesuffix(suffix)
        if not suffix or name == "clinical" or file.name.startswith("."):
            continue
        if name in tables:
            raise InputError(
                str(folder), f"{tables[name].name} and {file.name}", "one table per modality", "Remove one of them."
            )
        tables[name] = file
    return tables


def _modalities_of_h5mu(path: Path, where: str) -> list[str]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            modalities = file.get("mod")
            if modalities is None:
                raise InputError(where, f"{path} without the group `mod`", "a MuData file", "Write it with mudata.")
            order = [str(name) for name in modalities.attrs.get("mod-order", ())]
            return order if set(order) == set(modalities) else list(modalities)
    except OSError as error:
        raise InputError(
            where, f"{path}, which is no HDF5 file ({error})", "a MuData file", "Write it again."
        ) from None

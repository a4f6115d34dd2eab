"""What a row of the sheet is read from, as far as planning has to know: its files and the names of its modalities.

Snakemake's own process imports this file: h5py at most, and only for a `.h5mu` source.
"""

import math
import os
import re
from pathlib import Path

from cch_omics.config import NAME_PATTERN, SheetRow, check_modality, comma_list
from cch_omics.errors import InputError
from cch_omics.planning.layout import check_files, layout_of
from cch_omics.runtime.apart import read_apart
from cch_omics.runtime.files import check_file, in_the_way

# Modalities of sources that a step makes. Those of simulated cohorts are said again: where they are defined needs more
# than planning has (a test keeps the two in step).
DEMOS = {"tcga-brca": ("methylation", "mirna", "rna")}
SIMULATIONS = {
    "complementary": ("rna", "cnv", "rppa"),
    "misleading": ("rna", "mutation"),
    "unrelated": ("rna", "cnv"),
    "focal": ("rna", "cnv"),
    "number": ("rna", "cnv", "rppa"),
    "survival": ("rna", "cnv", "rppa"),
    "assays": ("rna", "methylation"),
    "assays-elsewhere": ("rna", "methylation"),
}
# Sources that a step downloads into a folder.
DOWNLOADS = ("cbioportal", "xena")


def made_source(source: str) -> str:
    """File or folder below the folder of resources that a source of a kind and a name is made into; "" for others."""
    kind, separator, name = source.partition(":")
    if separator and kind in DOWNLOADS:
        return f"{kind}/{name}"
    return f"{kind}/{name}.h5mu" if separator and kind in {"demo", "simulated"} else ""


def files_of(row: SheetRow) -> list[str]:
    """Files that a row is read from: the `.h5mu` file, or the tables of its modalities and the clinical table."""
    path = Path(row.source)
    if not os.path.isdir(path):
        return [row.source]
    layout = layout_of(path)
    tables = [layout.tables[name] for name in comma_list(row.modalities) or modalities_of(row)]
    return [str(file) for file in (*layout.clinical, *layout.lists, *tables)]


def megabytes_of(row: SheetRow) -> float:
    """Size of the files that a row is read from, in MB; of a source that a step makes 0, of a download infinity: it is
    not known before.
    """
    if made := made_source(row.source):
        return math.inf if made.partition("/")[0] in DOWNLOADS else 0.0
    return sum(os.path.getsize(file) for file in files_of(row)) / 1e6


def in_one_job(row: SheetRow, below_mb: float) -> bool:
    """Whether the steps of a row after `ingest` are one job: its files are small, and it names no other patients, whose
    validation is a job between them.
    """
    return megabytes_of(row) < below_mb and not row.others


def modalities_of(row: SheetRow) -> list[str]:
    """Names of the modalities of a row: those it asks for, or else all that its source has.

    Raises
    ------
    InputError
        If the source does not exist or lacks a modality that is asked for, or if there are fewer than two.
    """
    where = f"cohort sheet, cohort {row.cohort!r}, column source"
    asked = comma_list(row.modalities)
    available = _available(row.source, where, asked)
    for name in asked:
        if name not in available:
            raise InputError(
                f"cohort sheet, cohort {row.cohort!r}, column modalities",
                repr(name),
                f"modalities of {row.source}: {', '.join(available)}",
                f"Correct the name, or leave the cell empty to take all.{_not_read(row.source)}",
            )
    chosen = asked or available
    for name in chosen:
        check_modality(name, f"{where}, {row.source}")
    if len(chosen) < 2:
        raise InputError(
            where,
            f"{row.source} with {len(chosen)} modalities ({', '.join(chosen) or 'none'})",
            "at least two",
            "A student needs another modality to learn from. A folder has one MODALITY.csv, .tsv, .parquet or .h5ad "
            f"each.{_not_read(row.source)}",
        )
    if row.derived_from and row.derived_from not in available:
        raise InputError(
            f"cohort sheet, cohort {row.cohort!r}, column derived_from",
            repr(row.derived_from),
            f"a modality of {row.source}: {', '.join(available)}",
            "Correct the name, or leave the cell empty.",
        )
    return chosen


def validation_row(row: SheetRow) -> SheetRow | None:
    """The row as it is read from the source of other patients, with the modalities that both have; None without one.

    Raises
    ------
    InputError
        If that source does not exist, or has none of the row's modalities.
    """
    if not row.others:
        return None
    where, names = f"cohort sheet, cohort {row.cohort!r}, column validate", modalities_of(row)
    available = _available(row.others, where, names)
    shared = [name for name in names if name in available]
    if not shared:
        raise InputError(
            where,
            f"{row.others} with the modalities {', '.join(available) or '(none)'}",
            f"at least one of those of {row.source}: {', '.join(names)}",
            "Name the modalities alike in both sources.",
        )
    kept = {"cohort": row.cohort, "source": row.others, "target": row.target, "group": row.group}
    return SheetRow.model_validate(kept | {"modalities": ",".join(shared)})


def _available(source: str, where: str, asked: list[str]) -> list[str]:
    kind, separator, name = source.partition(":")
    if separator and kind in DOWNLOADS:
        if not re.fullmatch(NAME_PATTERN, name):
            raise InputError(
                where, repr(source), f"{kind}:NAME of letters, digits, '_', '.' and '-'", "Correct the name."
            )
        if not asked:
            raise InputError(
                f"{where.removesuffix('source')}modalities",
                "nothing",
                f"the modalities of {source}, such as rna,cnv",
                "What a download holds is not known before it, so the sheet has to say what is wanted.",
            )
        return asked
    if separator and kind in {"demo", "simulated"}:
        known = DEMOS if kind == "demo" else SIMULATIONS
        if name not in known:
            raise InputError(
                where, repr(source), f"{kind}:NAME with NAME among {', '.join(known)}", "Correct the name."
            )
        return list(known[name])
    path = Path(source)
    if os.path.isdir(path):
        layout = layout_of(path)
        if not layout.clinical:
            raise InputError(
                where,
                f"{'the study' if layout.kind == 'cbioportal' else 'the folder'} {source} without a clinical table",
                "clinical.csv or clinical.tsv beside the tables; in a study of cBioPortal data_clinical_sample.txt",
                f"It holds the sample id in its first column, and the target in another.{_not_read(source)}",
            )
        check_files(layout, asked)
        return list(layout.tables)
    there = in_the_way(path) != "no such file"
    if there and path.suffix.lower() == ".h5mu":
        return read_apart(path, lambda: _modalities_of_h5mu(path), "a MuData file (.h5mu)")
    if there:
        if not os.path.isfile(path):
            check_file(path)
        raise InputError(
            where, f"the file {source}", "a .h5mu file or a folder of tables", "Convert it, or put it into a folder."
        )
    raise InputError(
        where,
        f"{source!r}, which does not exist",
        "a .h5mu file, a folder, demo:NAME, simulated:NAME, cbioportal:STUDY or xena:COHORT",
        f"Relative paths start at {os.getcwd()}.",
    )


def _not_read(source: str) -> str:
    """What lies in a folder and may have been meant, to end an advice with."""
    sentences = layout_of(Path(source)).not_read() if os.path.isdir(source) else []
    return "".join(f" {sentence}" for sentence in sentences)


def _modalities_of_h5mu(path: Path) -> list[str]:
    import h5py

    with h5py.File(path, "r") as file:
        modalities = file.get("mod")
        if not isinstance(modalities, h5py.Group):
            raise InputError(str(path), "nothing called `mod`", "a MuData file (.h5mu)", "Write it with mudata.")
        order = [str(name) for name in modalities.attrs.get("mod-order", ())]
        return order if set(order) == set(modalities) else list(modalities)

"""Which file of a folder is which modality: told from the names of files, and from the meta files of a study.

Three kinds of folder are known: one table per modality, a study of cBioPortal, and matrices of UCSC Xena. Modalities of
the latter two get the names `rna, methylation, cnv, rppa, protein, mutation, mirna`. Where several files are of one
modality, the best is taken (the order of the patterns below says which); `Layout.unused` says what was not read, and
why.

The planning of a workflow imports this file: nothing heavy.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cch_omics.errors import InputError

TABLE_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".h5ad")
CLINICAL = ("clinical.csv", "clinical.tsv", "clinical.csv.gz", "clinical.tsv.gz")

# Endings of files that may well have been meant as a table.
_LIKE_TABLES = (".txt", ".gz", ".zip", ".xls", ".xlsx", ".h5", ".feather", ".rds", ".rdata", ".arff")

Patterns = dict[str, tuple[str, ...]]

# Of a file's name in lower case without `data_` and `.txt`: full matches, the best file of a modality first.
CBIOPORTAL: Patterns = {
    "mutation": (r"mutations?(_mskcc)?", r"mutations?_extended"),
    "cnv": (r"log2_?cna", r"linear_?cna", r"cna"),
    "methylation": (r"methylation_epic.*", r"methylation_hm27_hm450.*", r"methylation_hm450.*", r"methylation.*"),
    "mirna": (r".*mirna.*",),
    "rna": (r"(mrna|rna)_seq_v2.*", r"(mrna|rna)_seq.*", r"(mrna|expression|microarray).*"),
    "rppa": (r"rppa.*",),
    "protein": (r"protein_quantification.*", r"protein.*"),
}
# Of that, or of it and the data type that the meta file says, joined by "_".
_NOT_CBIOPORTAL = {
    r".*z[-_]?scores?.*": "z-scores are standardised over all samples, those of the test folds too",
    r".*(_seg|armlevel_cna|gistic.*)": "no table of genes",
    r".*normals?(_.*)?": "normal tissue",
}
# Type of genetic alteration in a meta file -> modality, for files of other names.
_META_TYPES = {
    "MRNA_EXPRESSION": "rna",
    "COPY_NUMBER_ALTERATION": "cnv",
    "METHYLATION": "methylation",
    "PROTEIN_LEVEL": "protein",
    "MUTATION_EXTENDED": "mutation",
}

# Of a file's name in lower case without `.gz`, `.tsv` and `.txt`: found anywhere, the best file of a modality first.
XENA: Patterns = {
    "mirna": (r"mirna_hiseq", r"mirna"),
    "methylation": (r"methylation450", r"methylation27", r"methylation"),
    "cnv": (r"gistic2_all_data_by_genes", r"gistic2", r"gene-level", r"gistic", r"copy_?number", r"cnv|cna"),
    "mutation": (r"mc3_gene_level", r"mutation.*gene|gene.*mutation", r"mutation$"),
    "rppa": (r"rppa_rbn", r"rppa", r"protein"),
    "rna": (r"hiseqv2$", r"star_tpm", r"fpkm", r"counts", r"hiseqv2|rna_?seq", r"expression|agilent|(^|[._-])rna$"),
}
_NOT_XENA = {
    r"survival": "survival times are no classes",
    r"exon": "exons, not genes",
    r"percentile|pancan": "normalised over other cohorts or over all samples",
    r"(_|\.)seg|masked|nocnv": "no table of genes",
    r"probemap|\.json$": "about the features, not the samples",
}
_XENA_CLINICAL = r"clinicalmatrix|phenotype|(^|[._-])clinical$"


@dataclass(frozen=True)
class Layout:
    """Files of a folder.

    Attributes
    ----------
    kind
        What the folder is.
    tables
        One file per modality, sorted by modality.
    clinical
        Clinical tables: none where the folder lacks one; of a study, samples and then patients.
    lists
        Other files that are read: lists of the samples that were sequenced.
    unused
        Names of files that could be of a modality but are not read, and why.
    """

    kind: Literal["tables", "cbioportal", "xena"]
    tables: dict[str, Path]
    clinical: tuple[Path, ...]
    lists: tuple[Path, ...] = ()
    unused: dict[str, str] = field(default_factory=dict)


def layout_of(folder: Path) -> Layout:
    """Find out what a folder is, and which of its files are read.

    A folder with `clinical.csv` (or `.tsv`, gzipped or not) has one table per modality, named by it. One with
    `meta_study.txt` or `data_clinical_sample.txt` is a study of cBioPortal. One with a Xena clinical matrix or
    phenotype table has matrices of Xena. Anything else counts as a folder of tables that lacks its clinical table.

    Raises
    ------
    InputError
        When a folder of tables has two of one modality.
    """
    files = {file.name: file for file in sorted(folder.iterdir()) if file.is_file() and not file.name.startswith(".")}
    if any(name in files for name in CLINICAL):
        return _tables(folder, files)
    if "meta_study.txt" in files or "data_clinical_sample.txt" in files:
        return _cbioportal(folder, files)
    if any(re.search(_XENA_CLINICAL, _stem(name)) for name in files):
        return _xena(files)
    return _tables(folder, files)


def table_suffix(path: str | os.PathLike[str]) -> str:
    """Return the ending of a file's name that tells its format, ".gz" included; "" for names of no known format."""
    name = Path(path).name.lower()
    return next((suffix for suffix in sorted(TABLE_SUFFIXES, key=len, reverse=True) if name.endswith(suffix)), "")


def meta_fields(file: Path) -> dict[str, str]:
    """Read `key: value` lines of a meta file."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, value in pairs}


def _tables(folder: Path, files: dict[str, Path]) -> Layout:
    clinical = tuple(files[name] for name in CLINICAL if name in files)[:1]
    tables: dict[str, Path] = {}
    unused: dict[str, str] = {}
    for name, file in files.items():
        suffix = table_suffix(file)
        modality = name[: len(name) - len(suffix)]
        if not suffix and name.lower().endswith(_LIKE_TABLES):
            unused[name] = f"a table ends in one of {', '.join(TABLE_SUFFIXES)}"
        if not suffix or modality == "clinical":
            continue
        if modality in tables:
            raise InputError(
                str(folder), f"{tables[modality].name} and {name}", "one table per modality", "Remove one of them."
            )
        tables[modality] = file
    return Layout("tables", dict(sorted(tables.items())), clinical, unused=unused)


def _cbioportal(folder: Path, files: dict[str, Path]) -> Layout:
    metas = [meta_fields(file) for name, file in files.items() if name.startswith("meta_")]
    by_file = {meta["data_filename"]: meta for meta in metas if "data_filename" in meta}
    clinical: dict[str, Path] = {}
    ranked: dict[str, list[tuple[int, str]]] = defaultdict(list)
    unused = {name: "named by a meta file, but not there" for name in by_file if name not in files}
    for name in files:
        meta = by_file.get(name, {})
        part = _clinical_part(name, meta)
        if part:
            clinical[part] = files[name]
        if part or not (name.startswith("data_") or meta):
            continue
        stem = name.lower().removesuffix(".txt").removeprefix("data_")
        known = (stem, f"{stem}_{meta.get('datatype', '').lower()}")
        if why := next((why for bad, why in _NOT_CBIOPORTAL.items() if any(re.fullmatch(bad, of) for of in known)), ""):
            unused[name] = why
        elif found := _classify(stem, CBIOPORTAL, re.fullmatch):
            ranked[found[0]].append((found[1], name))
        elif modality := _META_TYPES.get(meta.get("genetic_alteration_type", "").upper(), ""):
            for of, finer in (("protein", "rppa"), ("rna", "mirna")):
                if modality == of and finer in meta.get("stable_id", "").lower():
                    modality = finer
            ranked[modality].append((99, name))
    lists = [folder / "case_lists" / "cases_sequenced.txt", folder / "data_gene_panel_matrix.txt"]
    order = ("sample", "patient", "old")
    return Layout(
        "cbioportal",
        _best(ranked, files, unused),
        tuple(clinical[part] for part in order if part in clinical),
        tuple(file for file in lists if file.is_file()),
        unused,
    )


def _clinical_part(name: str, meta: dict[str, str]) -> str:
    """Part of a study's clinical data: "sample", "patient", "old" for the one table of old studies; "" for others."""
    match = re.fullmatch(r"data_(?:bcr_)?clinical(?:_data)?(?:_(sample|patient))?\.txt", name.lower())
    if match:
        return match[1] or "old"
    if meta.get("genetic_alteration_type", "").upper() != "CLINICAL":
        return ""
    return {"SAMPLE_ATTRIBUTES": "sample", "PATIENT_ATTRIBUTES": "patient"}.get(meta.get("datatype", "").upper(), "")


def _xena(files: dict[str, Path]) -> Layout:
    clinical: list[Path] = []
    ranked: dict[str, list[tuple[int, str]]] = defaultdict(list)
    unused: dict[str, str] = {}
    for name, file in files.items():
        if name == "download.json":
            continue
        stem = _stem(name)
        why = next((why for pattern, why in _NOT_XENA.items() if re.search(pattern, stem)), "")
        if re.search(_XENA_CLINICAL, stem):
            clinical.append(file)
        elif why:
            unused[name] = why
        elif found := _classify(stem, XENA, re.search):
            ranked[found[0]].append((found[1], name))
        else:
            unused[name] = "its name says no modality"
    for file in clinical[1:]:
        unused[file.name] = f"{clinical[0].name} is the clinical table"
    return Layout("xena", _best(ranked, files, unused), tuple(clinical[:1]), unused=unused)


def _stem(name: str) -> str:
    return re.sub(r"(\.tsv|\.txt)?(\.gz)?$", "", name.lower(), count=1)


def _classify(stem: str, kinds: Patterns, matches: Callable[[str, str], object]) -> tuple[str, int] | None:
    """Modality of a name, and the rank of the pattern that it matches."""
    ranks = ((modality, rank) for modality, patterns in kinds.items() for rank in range(len(patterns)))
    return next((found for found in ranks if matches(kinds[found[0]][found[1]], stem)), None)


def _best(ranked: dict[str, list[tuple[int, str]]], files: dict[str, Path], unused: dict[str, str]) -> dict[str, Path]:
    """The best file of each modality; the others are noted as unused."""
    for modality, candidates in ranked.items():
        candidates.sort()
        unused |= {name: f"{modality} is read from {candidates[0][1]}" for _, name in candidates[1:]}
    return {modality: files[ranked[modality][0][1]] for modality in sorted(ranked)}

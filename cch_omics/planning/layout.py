"""Which file of a folder is which modality: told from the names of files, and from the meta files of a study.

Three kinds of folder are known: one table per modality, a study of cBioPortal, and matrices of UCSC Xena. Modalities of
the latter two get the names `rna, methylation, cnv, rppa, protein, mutation, mirna`. Where several files are of one
modality, the best is taken (the order of the patterns below says which); `Layout.unused` says what was not read, and
why. What is chosen has to be there: `check_files` refuses a link to nowhere, a folder or a pipe of that name.

The planning of a workflow imports this file: nothing heavy.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cch_omics.errors import InputError
from cch_omics.runtime.files import check_file, in_the_way, reading

TABLE_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".h5ad")
CLINICAL = ("clinical.csv", "clinical.tsv", "clinical.csv.gz", "clinical.tsv.gz")

# Names that nobody means as a table, in lower case: of all else that is not read it is said so.
_DOCUMENTS = re.compile(
    r"(readme|licen[cs]e|changelog|citation|makefile|dockerfile|snakefile|meta_).*"
    r"|.*\.(md|rst|pdf|docx?|pptx?|html?|css|js|json|ya?ml|toml|ini|cfg|log|bib|tex|png|jpe?g|svg|gif|tiff?|py|ipynb|r|rmd|qmd"
    r"|rproj|sh|smk|sql)"
)
_HIDDEN_TABLE = re.compile(r"\..*\.(csv|tsv|txt|parquet|h5ad|h5mu|xlsx?)\b.*", re.DOTALL)

_NO_SUFFIX = f"a table ends in one of {', '.join(TABLE_SUFFIXES)}"

Patterns = dict[str, tuple[str, ...]]
# Whether a file is named but not there, the place of the pattern that it matches, and its name.
_Rank = tuple[bool, int, str]

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
STANDARDISED = "standardised over all samples, those of the test folds too"
# Of that, or of it and the data type that the meta file says, joined by "_".
_NOT_CBIOPORTAL = {
    r".*z[-_]?scores?.*": f"z-scores are {STANDARDISED}",
    r".*([._]seg|armlevel_cna|gistic.*)": "no table of genes",
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
        Names that could be of a modality but are not read, and why.
    """

    kind: Literal["tables", "cbioportal", "xena"]
    tables: dict[str, Path]
    clinical: tuple[Path, ...]
    lists: tuple[Path, ...] = ()
    unused: dict[str, str] = field(default_factory=dict)

    def not_read(self) -> list[str]:
        """Sentences on what is not read, one a reason."""
        by_reason: dict[str, list[str]] = defaultdict(list)
        for name, why in self.unused.items():
            by_reason[why].append(name)
        return [
            f"{', '.join(names)} {'was' if len(names) == 1 else 'were'} not read: {why}."
            for why, names in by_reason.items()
        ]


def layout_of(folder: Path) -> Layout:
    """Find out what a folder is, and which of its files are read.

    A folder with `clinical.csv` (or `.tsv`, gzipped or not) has one table per modality, named by it. One with
    `meta_study.txt` or `data_clinical_sample.txt` is a study of cBioPortal. One with a Xena clinical matrix or
    phenotype table has matrices of Xena. Anything else counts as a folder of tables that lacks its clinical table.

    Raises
    ------
    InputError
        When the folder cannot be read, or a folder of tables has two of one modality.
    """
    with reading(folder):
        entries = sorted(folder.iterdir())
        hidden = {each.name: "a hidden file" for each in entries if _HIDDEN_TABLE.fullmatch(each.name.lower())}
        # Not only files: what is called like a table was meant as one.
        meant = [each for each in entries if not each.name.startswith(".") and ("." in each.name or not each.is_dir())]
        files = {each.name: each for each in meant}
        names = {name.lower() for name in files}
        if names.intersection(CLINICAL):
            layout, leftover = _tables(folder, files), _NO_SUFFIX
        elif names.intersection({"meta_study.txt", "data_clinical_sample.txt"}):
            layout, leftover = _cbioportal(folder, files), "neither name nor meta file says a modality that is read"
        elif any(re.search(_XENA_CLINICAL, _stem(name)) for name in files):
            layout, leftover = _xena(files), "its name says no modality"
        else:
            layout, leftover = _tables(folder, files), _NO_SUFFIX
    read = {file.name for file in (*layout.tables.values(), *layout.clinical, *layout.lists)} | layout.unused.keys()
    others = [name for name in files if name not in read and not _DOCUMENTS.fullmatch(name.lower())]
    layout.unused.update(dict.fromkeys(others, leftover) | hidden)
    return layout


def check_files(layout: Layout, modalities: Collection[str] = ()) -> None:
    """Refuse a clinical table, or the table of a modality that is wanted (none = all), that cannot be read.

    Raises
    ------
    InputError
        See `check_file`.
    """
    wanted = {name: file for name, file in layout.tables.items() if not modalities or name in modalities}
    for file in (*layout.clinical, *wanted.values(), *(layout.lists if "mutation" in wanted else ())):
        check_file(file)


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
    tables: dict[str, Path] = {}
    # Systems that tell upper from lower case hold both; their owner means one.
    of: dict[str, Path] = {}
    for name, file in files.items():
        suffix = table_suffix(file)
        modality = name[: len(name) - len(suffix)]
        if not suffix:
            continue
        if first := of.get(modality.casefold()):
            raise InputError(
                str(folder),
                f"{first.name} and {name}",
                "one clinical table" if modality.casefold() == "clinical" else "one table per modality",
                "Remove one of them.",
            )
        of[modality.casefold()] = tables[modality] = file
    named = of.get("clinical")
    tables = {modality: file for modality, file in sorted(tables.items()) if file is not named}
    if named is None or named.name.lower() in CLINICAL:
        return Layout("tables", tables, (named,) if named else ())
    return Layout("tables", tables, (), unused={named.name: f"a clinical table is one of {', '.join(CLINICAL)}"})


def _cbioportal(folder: Path, files: dict[str, Path]) -> Layout:
    metas = [meta_fields(file) for name, file in files.items() if name.startswith("meta_") and not in_the_way(file)]
    by_file = {meta["data_filename"]: meta for meta in metas if meta.get("data_filename")}
    clinical: dict[str, Path] = {}
    ranked: dict[str, list[_Rank]] = defaultdict(list)
    absent = dict.fromkeys((name for name in by_file if name not in files), "named by a meta file, but not there")
    unused = dict(absent)
    files = files | {name: folder / name for name in absent}
    for name in files:
        meta = by_file.get(name, {})
        part = _clinical_part(name, meta)
        if part and clinical.setdefault(part, files[name]).name != name:
            unused[name] = f"{clinical[part].name} is the clinical table"
        if part or not (name.startswith("data_") or meta):
            continue
        stem = name.lower().removesuffix(".txt").removeprefix("data_")
        known = (stem, f"{stem}_{meta.get('datatype', '').lower()}")
        if why := next((why for bad, why in _NOT_CBIOPORTAL.items() if any(re.fullmatch(bad, of) for of in known)), ""):
            unused[name] = why
        elif found := _classify(stem, CBIOPORTAL, re.fullmatch):
            ranked[found[0]].append((name in absent, found[1], name))
        elif modality := _META_TYPES.get(meta.get("genetic_alteration_type", "").upper(), ""):
            for of, finer in (("protein", "rppa"), ("rna", "mirna")):
                if modality == of and finer in meta.get("stable_id", "").lower():
                    modality = finer
            ranked[modality].append((name in absent, 99, name))
    for modality in sorted(ranked.keys() - {"mutation"}):
        long = [name for _, _, name in ranked[modality] if "sample_id" in _columns(files[name])]
        unused |= dict.fromkeys(long, "a long table, with a row per sample and feature; a matrix is read")
        ranked[modality] = [rank for rank in ranked[modality] if rank[-1] not in long]
    lists = [folder / "case_lists" / "cases_sequenced.txt", folder / "data_gene_panel_matrix.txt"]
    order = ("sample", "patient", "old")
    return Layout(
        "cbioportal",
        _best(ranked, files, unused),
        tuple(clinical[part] for part in order if part in clinical),
        tuple(file for file in lists if os.path.lexists(file)),
        unused,
    )


def _columns(file: Path) -> list[str]:
    """Names of the columns of a table of a study, in lower case; none if it cannot be read."""
    if in_the_way(file):
        return []
    with file.open(encoding="utf-8", errors="replace") as lines:
        header = next((line for line in lines if not line.startswith("#")), "")
    return [name.strip().lower() for name in header.split("\t")]


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
    ranked: dict[str, list[_Rank]] = defaultdict(list)
    unused: dict[str, str] = {}
    for name, file in files.items():
        if _DOCUMENTS.fullmatch(name.lower()):
            continue
        stem = _stem(name)
        why = next((why for pattern, why in _NOT_XENA.items() if re.search(pattern, stem)), "")
        if re.search(_XENA_CLINICAL, stem):
            clinical.append(file)
        elif why:
            unused[name] = why
        elif found := _classify(stem, XENA, re.search):
            ranked[found[0]].append((False, found[1], name))
    for file in clinical[1:]:
        unused[file.name] = f"{clinical[0].name} is the clinical table"
    return Layout("xena", _best(ranked, files, unused), tuple(clinical[:1]), unused=unused)


def _stem(name: str) -> str:
    return re.sub(r"(\.tsv|\.txt)?(\.gz)?$", "", name.lower(), count=1)


def _classify(stem: str, kinds: Patterns, matches: Callable[[str, str], object]) -> tuple[str, int] | None:
    """Modality of a name, and the rank of the pattern that it matches."""
    ranks = ((modality, rank) for modality, patterns in kinds.items() for rank in range(len(patterns)))
    return next((found for found in ranks if matches(kinds[found[0]][found[1]], stem)), None)


def _best(ranked: dict[str, list[_Rank]], files: dict[str, Path], unused: dict[str, str]) -> dict[str, Path]:
    """The best file of each modality; the others are noted as unused."""
    best = {modality: min(candidates)[-1] for modality, candidates in sorted(ranked.items()) if candidates}
    for modality, name in best.items():
        unused.pop(name, None)
        others = [other for _, _, other in ranked[modality] if other != name and other not in unused]
        unused |= dict.fromkeys(others, f"{modality} is read from {name}")
    return {modality: files[name] for modality, name in best.items()}

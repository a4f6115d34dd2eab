"""Studies in the format of cBioPortal (https://docs.cbioportal.org/file-formats/).

Tables have genes in rows after columns of names; clinical tables begin with four lines of comments; mutations are a
list. See `cch_omics.planning.layout` for which file is which modality.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics.data.source import Matrix, fill_gaps, is_missing
from cch_omics.data.text import read_labelled, read_text
from cch_omics.errors import InputError, near, repeated, some
from cch_omics.planning.layout import meta_fields
from cch_omics.tasks.missing import SPELLINGS

PATIENT, SAMPLE = "PATIENT_ID", "SAMPLE_ID"
# Columns of text before the samples, in lower case; the first of them that a table has names its features.
_NAMES = ("composite.element.ref", "entity_stable_id", "hugo_symbol", "gene_symbol", "entrez_gene_id", "name")
_LABELS = frozenset(
    {*_NAMES, "cytoband", "locus id", "gene symbol", "description", "transcript_id", "phosphosite", "phosphosites"}
    | {"url", "confidence_statement", "geneset_id", "gene_panel"}
)
# Mutations that change no protein: cBioPortal does not load them either.
SILENT = frozenset({"Silent", "Intron", "IGR", "3'UTR", "5'UTR", "3'Flank", "5'Flank", "RNA"})
_GENE, _BARCODE, _CLASS = "Hugo_Symbol", "Tumor_Sample_Barcode", "Variant_Classification"


# Comments come before the header.
_read_said = partial(read_text, delimiter="\t", comments=True)
_read = partial(_read_said, missing=SPELLINGS)


def read_clinical_tables(files: Sequence[Path]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Join samples' and patients' tables, by sample id; also columns about which they contradict each other."""
    frames = []
    for file in files:
        frame = _read_said(file)
        names = [str(name) for name in frame.columns]
        frame.columns = pd.Index([name.upper() if name.upper() in {PATIENT, SAMPLE} else name for name in names])
        if double := repeated([str(name) for name in frame.columns]):
            raise InputError(str(file), f"column {some(double)} more than once", "unique columns", "Remove one.")
        frames.append(frame)
    samples = _indexed(frames[0], SAMPLE, files[0])
    conflicts: dict[str, str] = {}
    if PATIENT not in samples.columns:
        samples[PATIENT] = samples.index.to_numpy()
    for file, frame in zip(files[1:], frames[1:], strict=True):
        people = _indexed(frame, PATIENT, file)
        joined = people.reindex(samples[PATIENT].astype(object)).set_axis(samples.index, axis=0)
        for name in joined.columns:
            if name not in samples.columns:
                samples[name] = joined[name]
                continue
            own, of_patient = samples[name], joined[name]
            samples[name], sample = fill_gaps(own, of_patient)
            if sample is not None:
                conflicts[str(name)] = f"{own[sample]!r} for sample {sample!r}, {of_patient[sample]!r} for its patient"
    return samples, conflicts


def _indexed(frame: pd.DataFrame, key: str, file: Path) -> pd.DataFrame:
    if key not in frame.columns:
        raise InputError(
            f"{file}, column {key!r}", "no such column", f"a column {key}", near(key, frame.columns.tolist())
        )
    nothing = frame[key].map(is_missing).to_numpy(dtype=bool)
    if nothing.any():
        row = int(nothing.argmax()) + 1
        raise InputError(f"{file}, column {key!r}, row {row}", "nothing", "an id", "Fill it in.")
    ids = frame[key].str.strip()
    if double := repeated(ids.tolist()):
        raise InputError(
            f"{file}, column {key!r}", f"{some(double)} more than once", "unique ids", "Keep one row of each."
        )
    return frame.drop(columns=key).set_axis(pd.Index(ids.tolist(), name="sample"), axis=0)


def read_genes(file: Path) -> tuple[Matrix, list[str]]:
    """Read a table of numbers, features in rows; also sentences on what was left out.

    A feature has the name of its gene (or of its element, where the table has such); a name that occurs twice gets the
    gene's Entrez number too, and of equal rows the first is kept.
    """
    labels, table = read_labelled(file, _LABELS)
    given = [name for name in _NAMES if name in labels]
    if not given:
        raise InputError(
            str(file), f"columns of text {some(labels)}", "Hugo_Symbol or another name of the feature", "Add one."
        )
    columns = zip(*(labels[name] for name in given), strict=True)
    names = [next((text for text in row if text), "") for row in columns]
    numbers = labels.get("entrez_gene_id", [""] * len(names))
    twice = set(repeated(names))
    names = [
        f"{name}|{number}" if name in twice and number and number != name else name
        for name, number in zip(names, numbers, strict=True)
    ]
    first: dict[str, int] = {}
    for position, name in enumerate(names):
        if name:
            first.setdefault(name, position)
    if not first:
        raise InputError(str(file), "no name of a feature", "gene symbols or Entrez numbers", "Fill them in.")
    said = []
    if nameless := sum(not name for name in names):
        said.append(f"{nameless} rows without a name of their feature were left out.")
    if double := len(names) - nameless - len(first):
        said.append(f"{double} rows of a feature that was there before were left out.")
    rows = np.fromiter(first.values(), dtype=np.int64)
    values = table.values.T if len(rows) == len(names) else table.values[rows].T
    matrix = Matrix(
        table.features,
        np.array(list(first), dtype=np.str_),
        np.ascontiguousarray(values),
        str(file),
    )
    return matrix, said


def read_mutations(file: Path, lists: Sequence[Path]) -> tuple[Matrix, list[str]]:
    """Read a list of mutations as 0 and 1 of samples x genes; also sentences on what was left out.

    A gene counts as mutated (1) in a sample with at least one mutation of it that is not silent, and as not mutated (0)
    in every other sample that was sequenced: those of `case_lists/cases_sequenced.txt`, or of the gene panel matrix,
    and all with a mutation.
    """
    frame = _read(file, columns=(_GENE, _BARCODE, _CLASS))
    for name in (_GENE, _BARCODE):
        if name not in frame.columns:
            raise InputError(f"{file}, column {name!r}", "no such column", "a mutation list (MAF)", "Check the file.")
    listed = frame[frame[_GENE].notna() & frame[_BARCODE].notna()]
    silent = listed[_CLASS].isin(SILENT) if _CLASS in listed.columns else pd.Series(False, index=listed.index)
    changing = listed[~silent.to_numpy(dtype=bool)]
    sequenced, said = _sequenced(lists)
    samples = np.unique(np.array([*listed[_BARCODE].str.strip(), *sequenced], dtype=np.str_))
    genes, columns = np.unique(np.array(changing[_GENE].str.strip().tolist(), dtype=np.str_), return_inverse=True)
    if not len(genes):
        raise InputError(str(file), "no mutation that changes a protein", "at least one", "Remove the file.")
    values: NDArray[np.float32] = np.zeros((len(samples), len(genes)), dtype=np.float32)
    values[np.searchsorted(samples, changing[_BARCODE].str.strip().to_numpy(dtype=np.str_)), columns] = 1
    if count := int(silent.sum()):
        said.append(f"{count} silent mutations were left out.")
    if not sequenced:
        said.append("no list of sequenced samples: samples without any mutation are not known to have been sequenced.")
    return Matrix(samples, genes, values, str(file)), said


def _sequenced(lists: Sequence[Path]) -> tuple[list[str], list[str]]:
    """Samples that were sequenced, and what there is to say about how."""
    said = []
    samples: list[str] = []
    for file in lists:
        if file.parent.name == "case_lists":
            samples += meta_fields(file).get("case_list_ids", "").split()
            continue
        panels = _read(file)
        if SAMPLE not in panels.columns or "mutations" not in panels.columns:
            continue
        profiled = panels[panels["mutations"].notna() & panels[SAMPLE].notna()]
        samples += profiled[SAMPLE].tolist()
        counts = Counter(profiled["mutations"])
        if len(counts) > 1:
            said.append(f"gene panels {some(counts)}: a gene that a sample's panel lacks counts as not mutated.")
    return samples, said


def origin_of(path: Path) -> dict[str, str]:
    """Name and citation of a study, as far as it says them."""
    file = path / "meta_study.txt"
    meta = meta_fields(file) if file.is_file() else {}
    name = meta.get("name") or meta.get("cancer_study_identifier", "")
    citation = meta.get("citation", "")
    return {"source": f"cBioPortal: {name}" + (f" ({citation})" if citation else "")} if name else {}

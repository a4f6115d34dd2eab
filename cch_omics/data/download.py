"""Downloads of public cohorts: studies of cBioPortal and data sets of UCSC Xena.

A file that has arrived whole is kept when another one fails. Files are compared with the checksum that the
configuration says. `download.json` beside the data records address, length and SHA-256 of each.
"""

import logging
import re
import shutil
import tarfile
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pooch

from cch_omics.config import DownloadConfig
from cch_omics.errors import InputError
from cch_omics.planning.layout import layout_of
from cch_omics.runtime.files import atomic
from cch_omics.runtime.formats import write_json

RECORD = "download.json"
RETRIES = 3
_SECONDS = 60
_HEADERS = {"User-Agent": "cch_omics", "Accept-Encoding": "identity"}
_AGAIN = (
    "Check the network and run it again: files that arrived whole are kept. A mirror can be set in the section "
    "`download` of the configuration."
)
pooch.get_logger().setLevel(logging.WARNING)

# Data sets of a TCGA cohort on Xena's TCGA hub by modality, {cohort} being such as BRCA: the first that there is.
XENA_SETS: dict[str, tuple[str, ...]] = {
    "clinical": ("TCGA.{cohort}.sampleMap/{cohort}_clinicalMatrix",),
    "rna": ("TCGA.{cohort}.sampleMap/HiSeqV2.gz",),
    "methylation": ("TCGA.{cohort}.sampleMap/HumanMethylation450.gz", "TCGA.{cohort}.sampleMap/HumanMethylation27.gz"),
    "cnv": ("TCGA.{cohort}.sampleMap/Gistic2_CopyNumber_Gistic2_all_data_by_genes.gz",),
    "mutation": ("mc3_gene_level/{cohort}_mc3_gene_level.txt.gz",),
    "mirna": ("TCGA.{cohort}.sampleMap/miRNA_HiSeq_gene.gz", "TCGA.{cohort}.sampleMap/miRNA_GA_gene.gz"),
    "rppa": ("TCGA.{cohort}.sampleMap/RPPA_RBN.gz", "TCGA.{cohort}.sampleMap/RPPA.gz"),
}


class _NotThereError(Exception):
    """The server has no such file."""


def download(source: str, output: Path, settings: DownloadConfig, modalities: Sequence[str] = ()) -> None:
    """Download `cbioportal:STUDY` or `xena:COHORT` into a folder that can be read as a source.

    Files that have arrived are kept in a hidden folder beside `output` for the next call until all have; `output`
    appears then.

    Parameters
    ----------
    modalities
        Those that are wanted: required for Xena, compared with what a study has.

    Raises
    ------
    InputError
        When a source or a modality does not exist, the server cannot be reached, or a file is not the expected one.
    """
    kind, _, name = source.partition(":")
    if kind not in {"cbioportal", "xena"} or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise InputError(source, "no source for a download", "cbioportal:STUDY or xena:COHORT", "Correct the name.")
    partial = output.with_name(f".{output.name}.part")
    partial.mkdir(parents=True, exist_ok=True)
    with atomic(output) as draft:
        draft.mkdir()
        if kind == "cbioportal":
            records = _study(name, partial, draft, settings, modalities)
        else:
            records = _xena(name.removeprefix("TCGA-").removeprefix("TCGA."), partial, draft, settings, modalities)
        write_json({"source": source, "files": records}, draft / RECORD)
    shutil.rmtree(partial)


def fetch(url: str, target: Path, *, sha256: str = "") -> dict[str, Any]:
    """Download a file unless it is there, and check it; a download that fails is tried again.

    Parameters
    ----------
    target
        The file, which appears when it is whole.
    sha256
        Expected checksum, "" when none is known.

    Returns
    -------
    dict
        `url`, `bytes`, `sha256`.

    Raises
    ------
    InputError
        When the server cannot be reached or refuses, or the file is not the expected one.
    """
    source = pooch.create(
        path=target.parent,
        base_url="",
        registry={target.name: f"sha256:{sha256.lower()}" if sha256 else None},
        urls={target.name: url},
        retry_if_failed=RETRIES,
    )
    try:
        source.fetch(target.name, downloader=pooch.HTTPDownloader(headers=_HEADERS, timeout=_SECONDS))
    except ValueError as error:
        raise InputError(
            url,
            f"another file ({error})",
            f"SHA-256 {sha256} (key download.sha256)",
            "Run it again; if that does not help, the server has another version.",
        ) from error
    except OSError as error:
        # Errors of the package requests have the answer, if there was one.
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in {403, 404}:
            raise _NotThereError(url) from error
        found = f"HTTP status {status}" if status else f"no whole answer ({error})"
        raise InputError(url, found, "the file", _AGAIN) from error
    return {"url": url, "bytes": target.stat().st_size, "sha256": pooch.file_hash(str(target))}


def _study(
    name: str, partial: Path, draft: Path, settings: DownloadConfig, modalities: Sequence[str]
) -> dict[str, dict[str, Any]]:
    archive = f"{name}.tar.gz"
    url = f"{settings.cbioportal.rstrip('/')}/{urllib.parse.quote(archive)}"
    try:
        record = fetch(url, partial / archive, sha256=settings.sha256.get(archive, ""))
    except _NotThereError:
        raise InputError(
            url,
            "no such study",
            "the identifier of a study, such as brca_metabric",
            "It is in the address of its page.",
        ) from None
    try:
        with tarfile.open(partial / archive, "r:gz") as content:
            content.extractall(draft, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        (partial / archive).unlink(missing_ok=True)
        raise InputError(
            url, f"no archive of a study ({error})", "a .tar.gz file", "It was removed; run it again."
        ) from error
    # Archives have one folder, whose content is moved up.
    entries = [entry for entry in draft.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    if len(entries) == 1 and entries[0].is_dir():
        for entry in list(entries[0].iterdir()):
            entry.rename(draft / entry.name)
    layout = layout_of(draft)
    if layout.kind != "cbioportal":
        raise InputError(url, "an archive without a study", "meta_study.txt in it", "Check the identifier.")
    for modality in modalities:
        if modality not in layout.tables:
            raise InputError(
                url, f"no modality {modality!r}", f"some of {', '.join(layout.tables)}", "Correct the sheet."
            )
    return {archive: record}


def _xena(
    cohort: str, partial: Path, draft: Path, settings: DownloadConfig, modalities: Sequence[str]
) -> dict[str, dict[str, Any]]:
    for modality in modalities:
        if modality not in XENA_SETS or modality == "clinical":
            known = ", ".join(name for name in XENA_SETS if name != "clinical")
            raise InputError(f"xena:{cohort}", f"no modality {modality!r}", f"some of {known}", "Correct the sheet.")
    if not modalities:
        raise InputError(f"xena:{cohort}", "no modality", "those that are wanted", "Write --modalities rna,cnv.")
    records = {}
    for part in ("clinical", *modalities):
        for pattern in XENA_SETS[part]:
            dataset = pattern.format(cohort=cohort)
            name = dataset.rpartition("/")[2]
            # The hub's keys have the slash written as %2F.
            url = f"{settings.xena.rstrip('/')}/{urllib.parse.quote(dataset, safe='')}"
            try:
                records[name] = fetch(url, partial / name, sha256=settings.sha256.get(name, ""))
            except _NotThereError:
                continue
            shutil.copyfile(partial / name, draft / name)
            break
        else:
            tried = ", ".join(pattern.format(cohort=cohort) for pattern in XENA_SETS[part])
            raise InputError(
                f"xena:{cohort}, {part}",
                f"none of {tried} at {settings.xena}",
                "a cohort of the hub, such as BRCA, that has this modality",
                "Correct the cohort, or leave the modality out.",
            )
    return records

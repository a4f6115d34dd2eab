"""Downloads of public cohorts: studies of cBioPortal and data sets of UCSC Xena.

A download that was interrupted goes on where it stopped, if the server can do that and has the same file still. Every
file is compared with its length and, where the server or the configuration says one, with its checksum. `download.json`
beside the data records address, length, SHA-256 and entity tag of each.
"""

import hashlib
import http.client
import re
import shutil
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cch_omics.config import DownloadConfig
from cch_omics.errors import InputError
from cch_omics.io.files import atomic, write_json
from cch_omics.layout import layout_of

RECORD = "download.json"
_BLOCK = 1 << 20
_SECONDS = 60
_AGAIN = "Check the network and run it again: what has arrived is kept. A mirror can be set in the section `download`."

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

    Files that have not arrived whole are kept in `{output}.part` for the next call; `output` appears when all have.

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
    partial = output.with_name(output.name + ".part")
    partial.mkdir(parents=True, exist_ok=True)
    if kind == "cbioportal":
        records = _study(name, partial, output, settings, modalities)
    else:
        records = _xena(name.removeprefix("TCGA-").removeprefix("TCGA."), partial, output, settings, modalities)
    write_json({"source": source, "files": records}, output / RECORD)
    shutil.rmtree(partial)


def fetch(url: str, target: Path, *, sha256: str = "") -> dict[str, Any]:
    """Download a file, or the rest of it, and check it.

    Parameters
    ----------
    target
        The file; while it is incomplete, `{target}.partial`, with the server's entity tag in `{target}.etag`.
    sha256
        Expected checksum, "" when none is known.

    Returns
    -------
    dict
        `url`, `bytes`, `sha256`, `etag`.

    Raises
    ------
    InputError
        When the server cannot be reached or refuses, or the file is not the expected one (it is removed then).
    """
    part, tag = target.with_name(target.name + ".partial"), target.with_name(target.name + ".etag")
    if not target.is_file():
        try:
            _receive(url, part, tag)
        except urllib.error.HTTPError as error:
            if error.code in {403, 404}:
                raise _NotThereError(url) from error
            raise InputError(url, f"HTTP status {error.code} ({error.reason})", "the file", _AGAIN) from error
        except (OSError, http.client.HTTPException) as error:
            raise InputError(url, f"no whole answer ({error})", "the file", _AGAIN) from error
        part.replace(target)
    etag = tag.read_text(encoding="utf-8") if tag.is_file() else ""
    found = _digests(target)
    # An entity tag of Amazon's S3 is the MD5 of a file that was uploaded in one part.
    md5 = etag.strip('"') if re.fullmatch(r'"[0-9a-f]{32}"', etag) else ""
    for expected, actual, kind in ((sha256, found["sha256"], "SHA-256"), (md5, found["md5"], "MD5")):
        if expected and expected.lower() != actual:
            target.unlink()
            raise InputError(
                url,
                f"a file with {kind} {actual}",
                f"{expected} ({'key download.sha256' if kind == 'SHA-256' else 'the entity tag of the server'})",
                "The file was removed. Run it again; if that does not help, the server has another version.",
            )
    return {"url": url, "bytes": target.stat().st_size, "sha256": found["sha256"], "etag": etag}


def _receive(url: str, part: Path, tag: Path) -> None:
    """Append what is lacking to a partial file; start again where the server has another file by now."""
    have = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": "cch_omics", "Accept-Encoding": "identity"}
    known = tag.read_text(encoding="utf-8") if tag.is_file() else ""
    if have and known:
        headers |= {"Range": f"bytes={have}-", "If-Range": known}
    request = urllib.request.Request(url, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # Nothing is lacking, or the file has become shorter: only a whole download can tell.
        part.unlink()
        return _receive(url, part, tag)
    with answer:
        continues = answer.status == 206
        begin = have if continues else 0
        expected = answer.headers.get("Content-Length")
        tag.write_text(answer.headers.get("ETag") or "", encoding="utf-8")
        arrived = begin
        with part.open("ab" if continues else "wb") as file:
            while block := answer.read(_BLOCK):
                file.write(block)
                arrived += len(block)
    if expected is not None and arrived - begin != int(expected):
        raise http.client.IncompleteRead(b"", begin + int(expected) - arrived)
    return None


def _digests(file: Path) -> dict[str, str]:
    sums = {"sha256": hashlib.sha256(), "md5": hashlib.md5(usedforsecurity=False)}
    with file.open("rb") as content:
        while block := content.read(_BLOCK):
            for digest in sums.values():
                digest.update(block)
    return {name: digest.hexdigest() for name, digest in sums.items()}


def _study(
    name: str, partial: Path, output: Path, settings: DownloadConfig, modalities: Sequence[str]
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
    with atomic(output) as draft:
        draft.mkdir()
        try:
            with tarfile.open(partial / archive, "r:gz") as content:
                content.extractall(draft, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            (partial / archive).unlink(missing_ok=True)
            raise InputError(
                url, f"no archive of a study ({error})", "a .tar.gz file", "It was removed; run it again."
            ) from error
        _lift(draft)
        layout = layout_of(draft)
        if layout.kind != "cbioportal":
            raise InputError(url, "an archive without a study", "meta_study.txt in it", "Check the identifier.")
        for modality in modalities:
            if modality not in layout.tables:
                raise InputError(
                    url, f"no modality {modality!r}", f"some of {', '.join(layout.tables)}", "Correct the sheet."
                )
    return {archive: record}


def _lift(folder: Path) -> None:
    """Move the content of an only folder up, as archives have one."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    if len(entries) == 1 and entries[0].is_dir():
        for entry in list(entries[0].iterdir()):
            entry.rename(folder / entry.name)


def _xena(
    cohort: str, partial: Path, output: Path, settings: DownloadConfig, modalities: Sequence[str]
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
                break
            except _NotThereError:
                continue
        else:
            tried = ", ".join(pattern.format(cohort=cohort) for pattern in XENA_SETS[part])
            raise InputError(
                f"xena:{cohort}, {part}",
                f"none of {tried} at {settings.xena}",
                "a cohort of the hub, such as BRCA, that has this modality",
                "Correct the cohort, or leave the modality out.",
            )
    with atomic(output) as draft:
        draft.mkdir()
        for name in records:
            shutil.copyfile(partial / name, draft / name)
    return records

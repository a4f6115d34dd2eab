"""Downloads from a server on this machine: whole, tried again, checked, or refused with a message."""

import gzip
import hashlib
import http.server
import io
import tarfile
import threading
import time
import urllib.parse
from collections.abc import Iterator

import formats
import mudata
import numpy as np
import pytest
from cohort_files import sheet_row

from cch_omics.config import DownloadConfig
from cch_omics.data.assemble import assemble
from cch_omics.data.download import RETRIES, XENA_SETS, download, fetch
from cch_omics.data.sources import read_source
from cch_omics.errors import InputError
from cch_omics.runtime.formats import read_json

pytestmark = pytest.mark.filterwarnings("ignore:.*not unique:UserWarning", "ignore:Cannot join columns:UserWarning")


class Server(http.server.ThreadingHTTPServer):
    """Files by path; `cut` stops the next answers after so many bytes; `requests` keeps what was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cut: list[int] = []
        self.status: list[int] = []
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, path: str, content: bytes) -> None:
        self.files["/" + path] = content


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path = urllib.parse.unquote(self.path)
        self.server.requests.append(path)
        if self.server.status:
            return self.send_error(self.server.status.pop(0))
        if path not in self.server.files:
            return self.send_error(404)
        content = self.server.files[path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.cut.pop(0) if self.server.cut else len(content)])
        return None

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def nearby(monkeypatch):
    """No proxy, and no waiting before a download is tried again."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8))


def test_a_download_that_is_cut_off_is_tried_again(server, tmp_path):
    server.add("data.bin", CONTENT)
    server.cut = [40_000, 25_000]
    record = fetch(f"{server.url}/data.bin", tmp_path / "data.bin")
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert len(server.requests) == 3
    assert record == {
        "url": f"{server.url}/data.bin", "bytes": 100_000, "sha256": hashlib.sha256(CONTENT).hexdigest(),
    }  # fmt: skip
    # A file that is there is checked, not downloaded.
    assert fetch(f"{server.url}/data.bin", tmp_path / "data.bin") == record
    assert len(server.requests) == 3


def test_nothing_is_left_of_a_download_that_never_comes_whole(server, tmp_path):
    server.add("data.bin", CONTENT)
    server.cut = [40_000] * (RETRIES + 1)
    with pytest.raises(InputError, match=r"127\.0\.0\.1.*no whole answer.*files that arrived whole are kept"):
        fetch(f"{server.url}/data.bin", tmp_path / "data.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_checksum_is_refused(server, tmp_path):
    server.add("data.bin", CONTENT)
    with pytest.raises(InputError, match=r"SHA-256 0000.*download\.sha256"):
        fetch(f"{server.url}/data.bin", tmp_path / "data.bin", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_of_another_checksum_is_downloaded_anew(server, tmp_path):
    server.add("data.bin", CONTENT)
    (tmp_path / "data.bin").write_bytes(b"older")
    fetch(f"{server.url}/data.bin", tmp_path / "data.bin", sha256=hashlib.sha256(CONTENT).hexdigest())
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_server_that_fails_or_is_gone_is_named(server, tmp_path):
    server.add("data.bin", CONTENT)
    server.status = [503] * (RETRIES + 1)
    with pytest.raises(InputError, match="HTTP status 503"):
        fetch(f"{server.url}/data.bin", tmp_path / "data.bin")
    with pytest.raises(InputError, match=r"no whole answer.*A mirror"):
        fetch("http://127.0.0.1:9/data.bin", tmp_path / "other.bin")


@pytest.fixture(scope="module")
def mdata():
    with mudata.set_options(pull_on_update=False):
        return formats.make_cohort()


def archive(folder) -> bytes:
    with io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w:gz") as tar:
            tar.add(folder, arcname="brca_sim")
        return content.getvalue()


def settings(server, **changes) -> DownloadConfig:
    return DownloadConfig(cbioportal=server.url + "/studies/", xena=server.url + "/download", **changes)


def test_a_study_becomes_a_source(server, mdata, tmp_path):
    formats.write_cbioportal(tmp_path / "brca_sim", mdata)
    content = archive(tmp_path / "brca_sim")
    server.add("studies/brca_sim.tar.gz", content)
    given = settings(server, sha256={"brca_sim.tar.gz": hashlib.sha256(content).hexdigest()})
    output = tmp_path / "resources" / "cbioportal" / "brca_sim"
    server.status = [500] * (RETRIES + 1)
    with pytest.raises(InputError):
        download("cbioportal:brca_sim", output, given, ["rna", "cnv"])
    assert not output.exists()
    download("cbioportal:brca_sim", output, given, ["rna", "cnv"])
    assert [entry.name for entry in output.parent.iterdir()] == ["brca_sim"]
    record = read_json(output / "download.json")
    assert record["files"]["brca_sim.tar.gz"]["sha256"] == hashlib.sha256(content).hexdigest()
    sources = [sheet_row(folder, modalities="rna,cnv,mutation") for folder in (output, tmp_path / "brca_sim")]
    one, two = (assemble(read_source(row), row)[0] for row in sources)
    np.testing.assert_array_equal(one.modalities["mutation"].values, two.modalities["mutation"].values)
    with pytest.raises(InputError, match=r"no modality 'methylation'.*cnv, mutation, rna, rppa"):
        download("cbioportal:brca_sim", tmp_path / "again", given, ["rna", "methylation"])
    assert not (tmp_path / "again").exists()


def test_an_archive_that_would_write_elsewhere_is_refused(server, tmp_path):
    with io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w:gz") as tar:
            tar.addfile(tarfile.TarInfo("../../evil.txt"))
        server.add("studies/evil.tar.gz", content.getvalue())
    with pytest.raises(InputError, match="no archive of a study"):
        download("cbioportal:evil", tmp_path / "a" / "b" / "evil", settings(server))
    assert not list(tmp_path.rglob("evil.txt"))


def test_xena_by_cohort_name(server, mdata, tmp_path):
    formats.write_xena(tmp_path / "xena", mdata)
    put = {"clinical": "SIM_clinicalMatrix", "rna": "TCGA.SIM.sampleMap_HiSeqV2.gz", "rppa": "RPPA_RBN.gz",
           "cnv": "Gistic2_CopyNumber_Gistic2_all_data_by_genes.gz"}  # fmt: skip
    for modality, name in put.items():
        # Of rppa only the second choice is there.
        dataset = XENA_SETS[modality][-1].format(cohort="SIM")
        server.add(f"download/{dataset}", (tmp_path / "xena" / name).read_bytes())
    text = (tmp_path / "xena" / "SIM_mc3_gene_level.txt").read_bytes()
    server.add("download/mc3_gene_level/SIM_mc3_gene_level.txt.gz", gzip.compress(text))
    output = tmp_path / "resources" / "xena" / "TCGA-SIM"
    download("xena:TCGA-SIM", output, settings(server), ["rna", "cnv", "rppa", "mutation"])
    rows = [sheet_row(folder, modalities="rna,cnv,rppa,mutation") for folder in (output, tmp_path / "xena")]
    one, two = (assemble(read_source(row), row) for row in rows)
    for name, modality in one[0].modalities.items():
        np.testing.assert_array_equal(modality.values, two[0].modalities[name].values)
    np.testing.assert_array_equal(one[0].target.values, two[0].target.values)
    assert one[1].remarks == ()
    assert len(read_json(output / "download.json")["files"]) == 5
    with pytest.raises(InputError, match=r"methylation.*none of .*HumanMethylation450"):
        download("xena:SIM", tmp_path / "again", settings(server), ["rna", "methylation"])


@pytest.mark.parametrize(
    ("source", "modalities", "said"),
    [
        ("ftp:x", [], "cbioportal:STUDY"),
        ("xena:a/b", ["rna"], "no source for a download"),
        ("xena:SIM", ["protein"], "no modality 'protein'"),
        ("xena:SIM", [], "no modality"),
        ("cbioportal:gone", [], "no such study"),
    ],
)
def test_what_cannot_be_downloaded(server, tmp_path, source, modalities, said):
    with pytest.raises(InputError, match=said):
        download(source, tmp_path / "out", settings(server), modalities)
    assert not (tmp_path / "out").exists()

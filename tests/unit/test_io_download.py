"""Downloads from a server on this machine: whole, continued, checked, or refused with a message."""

import gzip
import hashlib
import http.server
import io
import tarfile
import threading
import urllib.parse
from collections.abc import Iterator

import formats
import mudata
import numpy as np
import pytest
from cohort_files import sheet_row

from cch_omics.cli import main
from cch_omics.config import DownloadConfig
from cch_omics.errors import InputError
from cch_omics.io import read_json, read_source
from cch_omics.io.assemble import assemble
from cch_omics.io.download import XENA_SETS, download, fetch

pytestmark = pytest.mark.filterwarnings("ignore:.*not unique:UserWarning", "ignore:Cannot join columns:UserWarning")


class Server(http.server.ThreadingHTTPServer):
    """Files by path; `cut` stops the next answers after so many bytes; `requests` keeps what was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.cut: list[int] = []
        self.status: list[int] = []
        self.ranges = True
        self.requests: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, path: str, content: bytes, etag: str = "") -> None:
        self.files["/" + path] = content
        self.etags["/" + path] = etag or f'"{hashlib.md5(content).hexdigest()}"'


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path = urllib.parse.unquote(self.path)
        asked = self.headers.get("Range", "")
        self.server.requests.append((path, asked))
        if self.server.status:
            return self.send_error(self.server.status.pop(0))
        if path not in self.server.files:
            return self.send_error(404)
        content, etag = self.server.files[path], self.server.etags[path]
        begin = 0
        if asked and self.server.ranges and self.headers.get("If-Range") == etag:
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(content):
                return self.send_error(416)
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.send_header("ETag", etag)
        self.end_headers()
        end = begin + self.server.cut.pop(0) if self.server.cut else len(content)
        self.wfile.write(content[begin:end])
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
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8))


def test_a_download_goes_on_where_it_stopped(server, tmp_path):
    server.add("data.bin", CONTENT)
    server.cut = [40_000, 25_000]
    for _ in range(2):
        with pytest.raises(InputError, match=r"127\.0\.0\.1.*no whole answer.*what has arrived is kept"):
            fetch(f"{server.url}/data.bin", tmp_path / "data.bin")
        assert not (tmp_path / "data.bin").exists()
    record = fetch(f"{server.url}/data.bin", tmp_path / "data.bin")
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert server.requests == [("/data.bin", ""), ("/data.bin", "bytes=40000-"), ("/data.bin", "bytes=65000-")]
    assert record["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert record["bytes"] == 100_000
    # A file that is there is checked, not downloaded.
    assert fetch(f"{server.url}/data.bin", tmp_path / "data.bin") == record
    assert len(server.requests) == 3


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_has_changed_meanwhile_is_downloaded_anew(server, tmp_path, ranges):
    server.add("data.bin", CONTENT)
    server.cut = [40_000]
    with pytest.raises(InputError):
        fetch(f"{server.url}/data.bin", tmp_path / "data.bin")
    server.ranges = ranges
    server.add("data.bin", CONTENT[::-1])
    fetch(f"{server.url}/data.bin", tmp_path / "data.bin")
    assert (tmp_path / "data.bin").read_bytes() == CONTENT[::-1]


def test_a_partial_file_that_is_too_long_is_thrown_away(server, tmp_path):
    server.add("data.bin", CONTENT)
    (tmp_path / "data.bin.partial").write_bytes(CONTENT + b"more")
    (tmp_path / "data.bin.etag").write_text(server.etags["/data.bin"])
    fetch(f"{server.url}/data.bin", tmp_path / "data.bin")
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("known", ["configuration", "server"])
def test_a_file_of_another_checksum_is_refused_and_removed(server, tmp_path, known):
    server.add("data.bin", CONTENT, etag='"' + "0" * 32 + '"' if known == "server" else '"x"')
    with pytest.raises(InputError, match=r"SHA-256.*download\.sha256" if known == "configuration" else "MD5.*0000"):
        fetch(f"{server.url}/data.bin", tmp_path / "data.bin", sha256="0" * 64 if known == "configuration" else "")
    assert not (tmp_path / "data.bin").exists()


def test_a_server_that_fails_or_is_gone_is_named(server, tmp_path):
    server.add("data.bin", CONTENT)
    server.status = [503]
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
    server.cut = [1000]
    given = settings(server, sha256={"brca_sim.tar.gz": hashlib.sha256(content).hexdigest()})
    output = tmp_path / "resources" / "cbioportal" / "brca_sim"
    with pytest.raises(InputError):
        download("cbioportal:brca_sim", output, given, ["rna", "cnv"])
    assert not output.exists()
    download("cbioportal:brca_sim", output, given, ["rna", "cnv"])
    assert server.requests[-1][1] == "bytes=1000-"
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


def test_xena_by_cohort_name(server, mdata, tmp_path, restored_logging):
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
    options = ["--modalities", "rna,cnv,rppa,mutation", "--settings", settings(server).model_dump_json()]
    assert main(["download", "xena:TCGA-SIM", "--output", str(output), *options, "--log", str(tmp_path / "log")]) == 0
    rows = [sheet_row(folder, modalities="rna,cnv,rppa,mutation") for folder in (output, tmp_path / "xena")]
    one, two = (assemble(read_source(row), row) for row in rows)
    for name, modality in one[0].modalities.items():
        np.testing.assert_array_equal(modality.values, two[0].modalities[name].values)
    np.testing.assert_array_equal(one[0].labels, two[0].labels)
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

"""What the site is made of, without building it: `make docs` does that."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cch_omics
from cch_omics import keys
from cch_omics.config import Config, SheetRow, make_row
from cch_omics.data.assemble import assemble
from cch_omics.data.audit import audit
from cch_omics.data.mudata import from_mudata
from cch_omics.data.simulate import simulate
from cch_omics.information.registry import ESTIMATORS
from cch_omics.verdict.criteria import CRITERIA

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import check_links  # noqa: E402
import made  # noqa: E402


def test_every_key_and_every_column_is_on_a_page() -> None:
    page = made.keys_page()
    for name in SheetRow.model_fields:
        assert f"| `{name}` |" in page
    for name, field in Config.model_fields.items():
        assert (f"| `{name}`" if not hasattr(field.annotation, "model_fields") else f"| `{name}.") in page
    page = made.tables_page()
    tables = [columns for name, columns in vars(keys).items() if name.endswith("_COLUMNS")]
    for name in {column for columns in tables for column in columns}:
        assert f"| `{name}` |" in page
    page = made.registries_page()
    assert all(f"| `{name}` |" in page for name in (*CRITERIA, *ESTIMATORS))
    assert "## cch predict" in made.commands_page()


def test_every_field_of_an_audit_is_on_a_page() -> None:
    def fields(part: object) -> set[str]:
        return (
            set(part) | {name for each in part.values() for name in fields(each)} if isinstance(part, dict) else set()
        )

    row = make_row({"cohort": "c", "source": "s", "target": "subtype", "scale": "rna=counts;methylation=beta"}, "row")
    cohort, notes = assemble(from_mudata(simulate("assays"), "s", ()), row)
    report = audit(cohort, notes)
    # Names of modalities, strata, samples and published files are the cohort's own.
    own = {*cohort.modalities, *cohort.target.task.strata_names, *cohort.samples, *report["origin"]}
    own |= {*report["parameters"], *report["values_treated_as_missing"]}
    page = made.tables_page().partition("## audit.json")[2]
    assert [name for name in sorted(fields(report) - own) if f"`{name}`" not in page] == []


def test_a_column_without_a_description_stops_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(made.COLUMNS, "gap_se")
    with pytest.raises(KeyError, match="gap_se"):
        made.tables_page()
    monkeypatch.setitem(made.COLUMNS, "gap_se", "Its standard error.")
    monkeypatch.setattr(keys, "NEW_COLUMNS", ("gap",), raising=False)
    with pytest.raises(ValueError, match="NEW_COLUMNS"):
        made.tables_page()


def public() -> list[str]:
    return re.findall(r"autofunction:: (\S+)", made.api_page())


def test_the_functions_of_the_faces_are_public() -> None:
    names = public()
    assert {"cch_omics.tl.cch", "cch_omics.pl.gap_matrix", "cch_omics.student.predict.predict_file"} <= set(names)
    assert {name.split(".")[1] for name in names} >= set(cch_omics._FACES)


@pytest.mark.parametrize("name", public())
def test_a_public_function_is_described(name: str) -> None:
    module, _, function = name.rpartition(".")
    documented = getattr(importlib.import_module(module), function)
    text = inspect.getdoc(documented) or ""
    signature = inspect.signature(documented)
    described = re.search(r"Parameters\n-+\n(.*?)(?=\n\w+\n-{3}|\Z)", text, re.DOTALL)
    assert described is not None, "no parameters"
    lines = re.findall(r"^(\w[\w, ]*)$", described[1], re.MULTILINE)
    assert {each for line in lines for each in line.split(", ")} == set(signature.parameters)
    assert re.search(r"Examples\n-+\n>>> ", text), "no example"
    if signature.return_annotation is not None:
        assert re.search(r"Returns\n-+\n", text), "what is returned is not said"


def test_links_lead_to_pages_of_the_site() -> None:
    def rewritten(text: str, origin: str = "docs/page.md", page: str = "docs/page.md") -> str:
        return made.rewrite(text, ROOT / origin, ROOT / page)

    for same in ("[a](theory.md#x)", "[a](https://host/x.md)", "[a](#here)", "[a](../no_such.md)", "![a](report.png)"):
        assert rewritten(same) == same
    assert rewritten("[a](../config/README.md#b)") == "[a](made/configuration.md#b)"
    assert rewritten("[steps](../research/benchmarks/steps.md)") == "[steps](made/benchmarks/steps.md)"
    assert rewritten("see [the recipe](../envs/cpu.yaml)") == "see the recipe (`envs/cpu.yaml`)"
    assert rewritten("[`x`](../envs/cpu.yaml)") == "`x`"
    config = rewritten("[d](../docs/theory.md)", "config/README.md", "docs/made/configuration.md")
    assert config == "[d](../theory.md)"


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.html").write_text('<h1 id="top">B</h1><a href="../a.html">back</a>')
    page = '<a href="sub/b.html#top">b</a> <a href="https://host/">out</a> <img src="{}"><a href="#x" id="x">x</a>'
    (tmp_path / "a.html").write_text(page.format("sub/b.html"))
    assert check_links.broken_in_site(tmp_path) == []
    (tmp_path / "a.html").write_text(page.format("no.png") + '<a href="sub/b.html#bottom">b</a>')
    assert check_links.broken_in_site(tmp_path) == ["a.html: no.png", "a.html: sub/b.html#bottom"]


def test_links_of_the_repository_lead_somewhere() -> None:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "README.md" in listed.splitlines()
    assert check_links.broken_in_repository() == []

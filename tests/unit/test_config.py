"""A wrong configuration or sheet says where, what was found, what is valid, and what to do."""

import json
import os
from pathlib import Path

import pytest
import yaml

from cch_omics.config import (
    Config,
    SheetRow,
    comma_cell,
    comma_list,
    load_config,
    make_row,
    read_sheet,
    schemas,
    target_cell,
    teachers_of_row,
)
from cch_omics.errors import InputError
from cch_omics.information.registry import ESTIMATORS
from cch_omics.planning.given_once import check_given_once
from cch_omics.planning.sources import files_of, modalities_of, validation_row
from cch_omics.tasks import TASKS
from cch_omics.verdict.criteria import CRITERIA

ROOT = Path(__file__).parents[2]
HEADER = "cohort\tsource\ttarget"
GOOD = "a\tdemo:tcga-brca\tpam50"


def sheet(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "cohorts.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


WRONG_CONFIGS = {
    "no cohorts": ({}, ["key cohorts", "nothing", "sheet"]),
    "unknown key": ({"cohorts": "x", "sed": 1}, ["key sed", "unknown", "'seed'"]),
    "unknown key in a section": (
        {"cohorts": "x", "splits": {"inner_fold": 3}},
        ["key splits.inner_fold", "unknown", "'inner_folds'", "by_site"],
    ),
    "unknown key like no other": ({"cohorts": "x", "zzz": 1}, ["key zzz", "encoder, information", "README"]),
    "text for a number": (
        {"cohorts": "x", "splits": {"folds": "five"}},
        ["key splits.folds", "'five' (str)", "valid integer"],
    ),
    "too few folds": (
        {"cohorts": "x", "splits": {"folds": 1}},
        ["key splits.folds", "1", "greater than or equal to 2"],
    ),
    "negative seed": ({"cohorts": "x", "seed": -1}, ["key seed", "-1", "greater than or equal to 0"]),
    "unknown estimator": (
        {"cohorts": "x", "information": {"teacher_student": "kgs"}},
        ["key information.teacher_student", "'kgs'", "one of 'ksg'"],
    ),
    "unknown rule": (
        {"cohorts": "x", "criterion": {"rule": "pilots"}},
        ["key criterion.rule", "'pilots'", "one of 'pilot', 'cch'"],
    ),
    "confidence of one": (
        {"cohorts": "x", "criterion": {"confidence": 1}},
        ["key criterion.confidence", "less than 1", "Probability"],
    ),
    "a weight above one": (
        {"cohorts": "x", "distillation": {"weight": 2}},
        ["key distillation.weight", "2", "less than or equal to 1"],
    ),
    "a list of temperatures": (
        {"cohorts": "x", "distillation": {"temperature": [1, 2]}},
        ["key distillation.temperature", "[1, 2] (list)", "valid number"],
    ),
    "the students of chosen teachers, by a rule that needs all students": (
        {"cohorts": "x", "distillation": {"evaluate": "chosen"}},
        ["key distillation.evaluate", "'chosen' with criterion.rule 'pilot'", "cch, ", "all of them are distilled"],
    ),
    "a section that is a number": (
        {"cohorts": "x", "encoder": 12},
        ["key encoder", "12 (int)", "keys and values", "units"],
    ),
    "an empty section": ({"cohorts": "x", "encoder": None}, ["key encoder", "None", "keys and values", "units"]),
    "more components than units": (
        {"cohorts": "x", "encoder": {"units": 4}},
        ["key information.dimension", "8", "at most encoder.units, 4"],
    ),
    "units that no machine has": (
        {"cohorts": "x", "encoder": {"units": 100_000_000}},
        ["key encoder.units", "100000000", "less than or equal to 1000"],
    ),
    "more folds than any cohort has patients": (
        {"cohorts": "x", "splits": {"folds": 100_000}},
        ["key splits.folds", "100000", "less than or equal to 50"],
    ),
    "a number that is none": (
        {"cohorts": "x", "encoder": {"weight_decay": float("nan")}},
        ["key encoder.weight_decay", "nan", "finite"],
    ),
    "an infinite temperature": (
        {"cohorts": "x", "distillation": {"temperature": float("inf")}},
        ["key distillation.temperature", "inf", "finite"],
    ),
    "a switch for a number": (
        {"cohorts": "x", "splits": {"repeats": True}},
        ["key splits.repeats", "True (bool)", "a number, not a switch"],
    ),
    "a key that is no text": ({"cohorts": "x", "splits": {3: 1}}, ["key splits.3", "unknown key"]),
    "a title of two lines": (
        {"cohorts": "x", "report": {"title": "one\ntwo"}},
        ["key report.title", "one line of text"],
    ),
    "yes for a switch": (
        {"cohorts": "x", "baselines": {"boosting": "maybe"}},
        ["key baselines.boosting", "'maybe'", "boolean"],
    ),
}


@pytest.mark.parametrize("name", WRONG_CONFIGS)
def test_wrong_config_says_what_to_mend(name: str) -> None:
    mapping, words = WRONG_CONFIGS[name]
    with pytest.raises(InputError) as error:
        load_config(mapping)
    missing = [word for word in words if word not in str(error.value)]
    assert not missing, f"{error.value} lacks {missing}"
    assert "pydantic" not in str(error.value)


WRONG_SHEETS = {
    "empty": ([""], ["empty file", "header"]),
    "only a header": ([HEADER], ["no row"]),
    "commas": (["cohort,source,target", "a,demo:tcga-brca,pam50"], ["commas", "tabs"]),
    "unknown column": ([HEADER + "\tgroups", GOOD + "\tx"], ["unknown column 'groups'", "'group'"]),
    "column twice": ([HEADER + "\ttarget", GOOD + "\tx"], ["column 'target' twice"]),
    "no target column": (["cohort\tsource", "a\tdemo:tcga-brca"], ["no column 'target'", "Label column"]),
    "validated on itself": (
        [HEADER + "\tvalidate", GOOD + "\t" + GOOD.split("\t")[1]],
        ["row 2, column validate", "the source of the row itself"],
    ),
    "cell missing": ([HEADER, "a\tdemo:tcga-brca"], ["row 2", "2 cells", "cohort, source, target"]),
    "empty target": ([HEADER, "a\tdemo:tcga-brca\t"], ["row 2, column target", "nothing"]),
    "budget above one": ([HEADER + "\tlabel_budget", GOOD + "\t150"], ["column label_budget", "'150'", "equal to 1"]),
    "budget with a comma": ([HEADER + "\tlabel_budget", GOOD + "\t0,5"], ["column label_budget", "'0,5'", "number"]),
    "budget that is no number": ([HEADER + "\tlabel_budget", GOOD + "\tnan"], ["column label_budget", "finite"]),
    "a target whose name is no folder's": (
        [HEADER, "a\tx\ter status"],
        ["row 2, column target", "'er status'", "`er status as er_status`"],
    ),
    "a target with a slash": ([HEADER, "a\tx\tER/PR"], ["column target", "`ER/PR as ER_PR`"]),
    "a target in another script": ([HEADER, "a\tx\tрецептор"], ["column target", "`рецептор as target`"]),
    "a target of a modality": ([HEADER, "a\tx\tprot:subtype"], ["column target", "`prot:subtype as prot_subtype`"]),
    "a target that a spreadsheet would compute": ([HEADER, "a\tx\t=er"], ["column target", "`=er as er`"]),
    "a target whose given name is no folder's": (
        [HEADER, "a\tx\ter status as er/status"],
        ["column target", "`er status as er_status`"],
    ),
    "two columns of one name": (
        [HEADER, "a\tx\ter status as er", "a\tx\tER as er"],
        ["row 3", "target 'er' a second time", "COLUMN as NAME"],
    ),
    "a name that is too long": ([HEADER, f"{'a' * 101}\tx\ty"], ["column cohort", "at most 100 characters"]),
    "a cohort called as a page is": ([HEADER, "report.html\tx\ty"], ["column cohort", "'report.html'", "workflow"]),
    "a path with braces": ([HEADER, "a\tdata/{x}\ty"], ["column source", "'data/{x}'", "without braces"]),
    "a character that is not seen": ([HEADER, "a\tx\x1b\ty"], ["column source", "control characters"]),
    "a cell more": ([HEADER, GOOD + "\t\tmore"], ["row 2", "5 cells", "cohort, source, target"]),
    "slash in a name": ([HEADER, "a/b\tdemo:tcga-brca\tpam50"], ["row 2, column cohort", "'a/b'", "letters, digits"]),
    "task not supported": (
        [HEADER + "\ttask", GOOD + "\tclasification"],
        ["row 2, column task", "'clasification'", "one of 'classification', 'regression'"],
    ),
    "budget of zero": ([HEADER + "\tlabel_budget", GOOD + "\t0"], ["row 2, column label_budget", "greater than 0"]),
    "budget in percent": (
        [HEADER + "\tlabel_budget", GOOD + "\t15%"],
        ["row 2, column label_budget", "'15%'", "number"],
    ),
    "an unknown scale": ([HEADER + "\tscale", GOOD + "\trna=count"], ["column scale", "'rna=count'", "mean 'counts'"]),
    "a scale of no modality": ([HEADER + "\tscale", GOOD + "\tcounts"], ["column scale", "'counts'", "MODALITY=SCALE"]),
    "a scale twice": ([HEADER + "\tscale", GOOD + "\trna=counts;rna=unlogged"], ["column scale", "'rna' twice"]),
    "a scale of a modality that is not asked for": (
        [HEADER + "\tmodalities\tscale", GOOD + "\trna,cnv\tprotein=counts"],
        ["column scale", "the modality 'protein'", "one of cnv, rna"],
    ),
    "one modality": ([HEADER + "\tmodalities", GOOD + "\trna"], ["row 2, column modalities", "only 'rna'", "two"]),
    "modality twice": ([HEADER + "\tmodalities", GOOD + "\trna,rna"], ["row 2, column modalities", "'rna' twice"]),
    "one class": ([HEADER + "\tclasses", GOOD + "\tLumA"], ["row 2, column classes", "only 'LumA'"]),
    "classes of a number": (
        [HEADER + "\ttask\tclasses", GOOD + "\tregression\tLumA,LumB"],
        ["row 2, column classes", "'LumA,LumB'", "'regression'"],
    ),
    "unknown transform": (
        [HEADER + "\ttransform", GOOD + "\tlog2"],
        ["row 2, column transform", "'log2'", "'none', 'log', 'rank_normal'"],
    ),
    "transform of a survival time": (
        [HEADER + "\ttask\ttransform", GOOD + "\tsurvival\tlog"],
        ["row 2, column transform", "'log'", "'survival'", "empty"],
    ),
    "teacher that is no modality": (
        [HEADER + "\tmodalities\tteachers", GOOD + "\trna,mirna\trna;rna+cnv"],
        ["column teachers", "'cnv' in 'rna+cnv'", "rna, mirna"],
    ),
    "teacher twice": (
        [HEADER + "\tteachers", GOOD + "\trna; rna"],
        ["row 2, column teachers", "'rna' and 'rna'", "same view"],
    ),
    "modality twice in a teacher": (
        [HEADER + "\tteachers", GOOD + "\trna+rna"],
        ["row 2, column teachers", "'rna' twice in 'rna+rna'"],
    ),
    "commas between teachers": (
        [HEADER + "\tteachers", GOOD + "\trna,mirna"],
        ["row 2, column teachers", "'rna,mirna'", "separated by ';'"],
    ),
    "derived from elsewhere": (
        [HEADER + "\tmodalities\tderived_from", GOOD + "\trna,mirna\tmrna"],
        ["row 2, column derived_from", "'mrna'", "rna, mirna"],
    ),
    "row twice": ([HEADER, GOOD, "# a remark", GOOD], ["row 4", "'a'", "first in row 2"]),
}


@pytest.mark.parametrize("name", WRONG_SHEETS)
def test_wrong_sheet_says_what_to_mend(name: str, tmp_path: Path) -> None:
    lines, words = WRONG_SHEETS[name]
    path = sheet(tmp_path, *lines)
    with pytest.raises(InputError) as error:
        read_sheet(path)
    missing = [word for word in [str(path), *words] if word not in str(error.value)]
    assert not missing, f"{error.value} lacks {missing}"


def test_missing_sheet_says_where_paths_start(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file.*Relative paths start at"):
        read_sheet(tmp_path / "nowhere.tsv")


RIGHT_SHEETS = {
    "a name for a column": (["a\tx\ter status as er"], [("er status", "er")]),
    "a column of which the name has an 'as'": (["a\tx\tknown as is as er"], [("known as is", "er")]),
    "a column with a prefix": (["a\tx\trna:subtype as s"], [("rna:subtype", "s")]),
    "a column twice under two names": (["a\tx\tER as one", "a\tx\tER as two"], [("ER", "one"), ("ER", "two")]),
    "cells in quotes": (['"a"\t"x"\t"er, ""new"" as er"'], [('er, "new"', "er")]),
    "empty cells beyond the header": (["a\tx\ty\t\t "], [("y", "y")]),
    "lines of empty cells and remarks": (["\t\t", '"# x"\t', "a\tx\ty", " \t"], [("y", "y")]),
    "an odd separator of lines inside a cell": (["a\tx\tone\u2028two as y"], [("one\u2028two", "y")]),
}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", RIGHT_SHEETS)
def test_right_readings_of_a_sheet(name: str, ending: str, tmp_path: Path) -> None:
    lines, expected = RIGHT_SHEETS[name]
    path = tmp_path / "cohorts.tsv"
    path.write_bytes(("\ufeff" + ending.join([HEADER + "\t", *lines])).encode())
    assert [(row.target_column, row.target_name) for row in read_sheet(path)] == expected


@pytest.mark.parametrize(
    ("cell", "items"),
    [
        ("", []),
        (" a , b,, c ", ["a", "b", "c"]),
        ('"I, early", "II ""late""",III', ["I, early", 'II "late"', "III"]),
        ('"a,b', ["a,b"]),
        ('5" x,y', ['5" x', "y"]),
    ],
)
def test_items_of_a_comma_list(cell: str, items: list[str]) -> None:
    assert comma_list(cell) == items == comma_list(comma_cell(items))


@pytest.mark.parametrize("column", ["er status", "ER/PR", "é", "x as y", "=1+1", "rna:x", "-", "a" * 200])
def test_any_column_can_be_a_target(column: str) -> None:
    row = make_row({"cohort": "a", "source": "x", "target": target_cell(column)}, "row")
    assert row.target_column == column


def test_a_sheet_is_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tsv")
    for path, found in (("/dev/zero", "a device"), (tmp_path / "pipe.tsv", "a pipe"), (tmp_path, "a folder")):
        with pytest.raises(InputError, match=found):
            read_sheet(path)
    for path in ("/proc/1/mem", f"/{'x' * 300}", "/etc/passwd/cohorts.tsv"):
        with pytest.raises(InputError, match=r"cannot be read|no such file"):
            read_sheet(path)


TWICE = {
    "a section": ("splits:\n  folds: 3\nseed: 1\nsplits:\n  repeats: 1\n", "key splits"),
    "a key of a section": ("splits: {folds: 3, repeats: 1, folds: 4}\n", "key splits.folds"),
    "a key in JSON": ('{"splits":\n\t{"folds": 3,\n\t"folds": 4}}', "key splits.folds"),
    "a key below a list": ("a: [{b: 1, b: 2}]", "key a.b"),
}


@pytest.mark.parametrize("name", TWICE)
def test_a_key_that_is_given_twice(name: str, tmp_path: Path) -> None:
    text, key = TWICE[name]
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=f"{key}: found the key a second time"):
        check_given_once([file], [])
    if "\n" not in text:
        with pytest.raises(InputError, match=f"--config, {key.replace('key ', 'key x.')}"):
            check_given_once([], [f"x={text}"])
    with pytest.raises(InputError, match="--config, key seed"):
        check_given_once([], ["seed=1", "splits={folds: 3}", "seed=2"])


def test_files_may_override_each_other_and_anchors_may_recur(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("splits: &s {folds: 3}\nagain: *s\nloop: &l [*l]\n")
    check_given_once([file, file, ROOT / "config" / "config.yaml"], ["splits={folds: 3}", "seed=1"])


def test_spreadsheet_is_no_sheet(tmp_path: Path) -> None:
    path = tmp_path / "cohorts.tsv"
    path.write_bytes(b"PK\x03\x04\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_sheet(path)


WRONG_SOURCES = {
    "nothing there": ("nowhere", "", ["'nowhere'", "does not exist", "demo:NAME"]),
    "unknown demo": ("demo:tcga-brac", "", ["demo:tcga-brac", "tcga-brca"]),
    "unknown modality of a demo": ("demo:tcga-brca", "rna,protein", ["'protein'", "methylation, mirna, rna"]),
    "a table": ("table.csv", "", ["table.csv", ".h5mu"]),
    "a folder without clinical table": ("bare", "", ["without a clinical table", "clinical.csv"]),
    "a folder of one modality": ("single", "", ["1 modalities (rna)", "at least two"]),
    "two tables of one modality": ("twice", "", ["rna.csv and rna.tsv", "one table per modality"]),
    "no HDF5": ("fake.h5mu", "", ["fake.h5mu", "damaged or foreign"]),
}


@pytest.mark.parametrize("name", WRONG_SOURCES)
def test_wrong_source_is_known_at_planning_time(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("table.csv", "fake.h5mu", "bare/rna.csv", "single/rna.csv", "single/clinical.csv"):
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_text("sample,x\n")
    for file in ("twice/rna.csv", "twice/rna.tsv", "twice/clinical.tsv"):
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_text("")
    source, modalities, words = WRONG_SOURCES[name]
    row = read_sheet(sheet(tmp_path, HEADER + "\tmodalities", f"a\t{source}\ty\t{modalities}"))[0]
    with pytest.raises(InputError) as error:
        modalities_of(row)
    where = source if name in {"two tables of one modality", "no HDF5"} else "cohort 'a'"
    missing = [word for word in [where, *words] if word not in str(error.value)]
    assert not missing, f"{error.value} lacks {missing}"


def test_modalities_of_a_folder_are_its_tables(tmp_path: Path) -> None:
    for file in ("rna.csv.gz", "cnv.parquet", "rppa.h5ad", "mirna.tsv", "clinical.tsv", "notes.txt", ".hidden.csv"):
        (tmp_path / file).write_text("sample,x\n")
    path = sheet(tmp_path, HEADER, f"a\t{tmp_path}\ty")
    path.rename(tmp_path.parent / "sheet_of_a_folder.tsv")
    (row,) = read_sheet(tmp_path.parent / "sheet_of_a_folder.tsv")
    assert modalities_of(row) == ["cnv", "mirna", "rna", "rppa"]


def test_modalities_of_simulated_cohorts_are_as_planned() -> None:
    from cch_omics.data.simulate.cohorts import SIMULATED
    from cch_omics.planning import sources

    assert {name: tuple(made.modalities) for name, made in SIMULATED.items()} == sources.SIMULATIONS


def test_other_patients_are_read_with_the_modalities_that_both_sources_have(tmp_path: Path) -> None:
    columns = {"cohort": "a", "source": "simulated:misleading", "target": "subtype", "group": "patient"}
    assert validation_row(SheetRow(**columns)) is None
    row = validation_row(SheetRow(**columns, validate="simulated:unrelated"))
    assert row is not None and (row.source, row.modalities, row.group) == ("simulated:unrelated", "rna", "patient")
    # What a download holds is not known before it.
    row = validation_row(SheetRow(**columns, validate="cbioportal:brca_metabric"))
    assert row is not None and row.modalities == "rna,mutation"
    for name in ("rna.csv", "protein.csv", "clinical.csv"):
        (tmp_path / name).write_text("sample,x\n")
    row = validation_row(SheetRow(**columns, validate=str(tmp_path)))
    assert row is not None and [Path(file).name for file in files_of(row)] == ["clinical.csv", "rna.csv"]


TEACHERS = {
    "all": ("", "", ("rna", "cnv", "rppa")),
    "not what the target was defined from": ("rna", "", ("cnv", "rppa")),
    "unless it is asked for": ("rna", "rna; cnv + rppa", ("rna", "cnv+rppa")),
}


@pytest.mark.parametrize("name", TEACHERS)
def test_teachers_of_a_row(name: str, tmp_path: Path) -> None:
    derived_from, teachers, expected = TEACHERS[name]
    header = HEADER + "\tmodalities\tderived_from\tteachers"
    (row,) = read_sheet(sheet(tmp_path, header, f"{GOOD}\trna,cnv,rppa\t{derived_from}\t{teachers}"))
    assert teachers_of_row(row, comma_list(row.modalities)) == expected


def test_a_row_says_its_task_or_leaves_it_open(tmp_path: Path) -> None:
    rows = read_sheet(sheet(tmp_path, HEADER + "\ttask", GOOD + "\tregression", "b\tx\ty\t"))
    assert [row.task for row in rows] == ["regression", ""]


@pytest.mark.parametrize("rule", CRITERIA)
def test_students_of_chosen_teachers_need_a_rule_that_decides_before(rule: str) -> None:
    mapping = {"cohorts": "x", "criterion": {"rule": rule}, "distillation": {"evaluate": "chosen"}}
    if CRITERIA[rule].needs_distillation:
        with pytest.raises(InputError, match="chosen"):
            load_config(mapping)
    else:
        assert load_config(mapping).criterion.rule == rule


def test_choices_are_those_of_the_registries() -> None:
    properties = schemas()["config.schema.json"]["$defs"]
    assert properties["CriterionConfig"]["properties"]["rule"]["enum"] == list(CRITERIA)
    assert set(properties["InformationConfig"]["properties"]["label"]["enum"]) == {"auto", *ESTIMATORS}
    assert set(properties["InformationConfig"]["properties"]["teacher_student"]["enum"]) <= set(ESTIMATORS)
    assert schemas()["cohorts.schema.json"]["properties"]["task"]["enum"] == ["", *TASKS]


def test_modalities_of_a_h5mu_are_in_its_own_order(tmp_path: Path) -> None:
    from cch_omics.data.simulate import write_simulated

    file = tmp_path / "cohort.h5mu"
    write_simulated("complementary", file)
    (row,) = read_sheet(sheet(tmp_path, HEADER, f"a\t{file}\tsubtype"))
    assert modalities_of(row) == ["rna", "cnv", "rppa"]
    assert files_of(row) == [str(file)]


def test_sheet_with_byte_order_mark_remarks_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "cohorts.tsv"
    path.write_text(f"{HEADER}\tmodalities\n# a remark\n\n{GOOD}\t rna , mirna \n", encoding="utf-8-sig")
    (row,) = read_sheet(path)
    assert comma_list(row.modalities) == ["rna", "mirna"]
    assert row.label_budget == 1.0


def test_schemas_are_those_of_the_models() -> None:
    for name, schema in schemas().items():
        written = json.loads((ROOT / "workflow" / "schemas" / name).read_text())
        assert written == schema, f"run: cch schemas --output workflow/schemas ({name} has drifted)"


def test_the_demo_states_every_default() -> None:
    stated = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    assert load_config(stated) == Config(cohorts="config/cohorts.tsv")
    assert set(stated) | {"pathvars"} == set(Config.model_fields)
    assert Config(**stated).model_dump(exclude={"pathvars"}) == stated


@pytest.mark.parametrize("preset", ["quick", "full", "simulated"])
def test_presets_are_valid_on_top_of_the_demo(preset: str) -> None:
    base = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    overlay = yaml.safe_load((ROOT / "config" / f"{preset}.yaml").read_text())
    for key, value in overlay.items():
        base[key] = {**base[key], **value} if isinstance(value, dict) else value
    load_config(base)


def test_every_sheet_of_the_repository_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for path in (ROOT / "config").glob("*.tsv"):
        for row in read_sheet(path):
            assert len(modalities_of(row)) >= 2


def test_every_key_is_explained_with_its_default() -> None:
    text = (ROOT / "config" / "README.md").read_text()
    defaults = Config(cohorts="config/cohorts.tsv").model_dump(exclude={"pathvars"})
    for name, value in defaults.items():
        keys = (
            {f"{name}.{key}": default for key, default in value.items()} if isinstance(value, dict) else {name: value}
        )
        for key, default in keys.items():
            shown = f"`{default}`" if key == "cohorts" else json.dumps(default).strip('"')
            assert f"| `{key}` | {shown} |{limits(key)} |" in text


def limits(key: str) -> str:
    """Range of a key as the README has it; every number has one."""
    schema = schemas()["config.schema.json"]
    for part in key.split("."):
        schema = schema["properties"][part]
        if "$ref" in schema:
            schema = schemas()["config.schema.json"]["$defs"][schema["$ref"].split("/")[-1]]
    if schema["type"] not in {"integer", "number"}:
        return ""
    low = f"{schema['minimum']:.10g}" if "minimum" in schema else f"above {schema['exclusiveMinimum']:.10g}"
    high = f"{schema['maximum']:.10g}" if "maximum" in schema else f"below {schema['exclusiveMaximum']:.10g}"
    return f" {low} to {high}"

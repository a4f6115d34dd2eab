"""What Snakemake plans, and what it says when it cannot."""

import json
import os
import re
import shlex
import shutil
from collections import Counter
from pathlib import Path

import pytest

from cch_omics.config import Config
from cch_omics.planning.steps import STEPS, memory_mb, minutes

ROOT = Path(__file__).parents[2]
PLAN = ("-n", "-p")
# As if every cohort were large.
APART = "one_job_below_mb=0"


def jobs(output: str) -> Counter[str]:
    """Jobs by rule, from the table of a dry run."""
    table = output.split("Job stats:")[1].split("\n\n")[0]
    return Counter({name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)})


def planned(output: str) -> set[tuple[str, str]]:
    """Rules and outputs of a dry run."""
    return set(re.findall(r"^(?:local)?rule (\w+):\n(?:.*\n)*?    output: (.*)$", output, re.MULTILINE))


def inputs(output: str, made: str) -> str:
    """Inputs of the job of a dry run that makes a file."""
    blocks = re.findall(r"^    input: (.*)\n    output: (.*)$", output, re.MULTILINE)
    (found,) = (given for given, written in blocks if made in written.split(", "))
    return found


def command(output: str, step: str) -> dict[str, list[str]]:
    """Options of the only command of a step in a dry run."""
    (line,) = re.findall(rf"^Shell command: (cch {step} .*)$", output, re.MULTILINE)
    words = shlex.split(line)[2:]
    options: dict[str, list[str]] = {}
    for name, value in zip(words[::2], words[1::2], strict=True):
        options.setdefault(name, []).append(value)
    return options


@pytest.fixture(scope="module")
def plan(snakemake) -> str:
    """What a dry run of the demo says, with a job for each step."""
    done = snakemake(*PLAN, "--config", APART)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_both_entry_points_plan_the_same_jobs(plan: str, snakemake) -> None:
    inner = snakemake(*PLAN, "-s", "workflow/Snakefile", "--config", APART)
    assert inner.returncode == 0, inner.stderr
    assert jobs(plan)["total"] > 10
    assert planned(plan) == planned(inner.stdout + inner.stderr) != set()


@pytest.mark.parametrize("snakefile", [[], ["-s", "workflow/Snakefile"]])
def test_both_entry_points_say_one_line_for_each_job(snakemake, snakefile: list[str]) -> None:
    done = snakemake("-n", *snakefile, "--config", APART)
    lines = (done.stdout + done.stderr).splitlines()
    assert "tcga-brca pam50 distil rna: missing output files, input files updated by another job" in lines
    assert len([line for line in lines if line.startswith(("demo", "tcga-brca", "pool"))]) == 26
    (counts,) = (line for line in lines if line.startswith("26 jobs: "))
    assert "6 distil" in counts and "2 verdict" in counts


def test_a_cohort_of_m_modalities_is_2m_plus_6_jobs_and_a_shared_source_is_made_once(plan: str) -> None:
    count = jobs(plan)
    two_cohorts = 2 * (2 * 3 + 6)
    assert count["download_demo"] == 1
    assert count["encode"] == count["distil"] == 6
    assert count["total"] == two_cohorts + 1 + 2  # the download; pool and all


def test_a_small_cohort_is_three_jobs_and_a_large_one_beside_it_has_all(snakemake, tmp_path: Path) -> None:
    """By the size of its files; a download is large before it is there."""
    for cohort, megabytes in {"small": 19, "large": 21}.items():
        (tmp_path / cohort).mkdir()
        for name in ("rna.tsv", "cnv.tsv", "clinical.tsv"):
            (tmp_path / cohort / name).write_text("content")
        os.truncate(tmp_path / cohort / "rna.tsv", megabytes * 1_000_000)
    sheet = tmp_path / "sheet.tsv"
    rows = [f"small\t{tmp_path}/small\tsubtype\t", f"large\t{tmp_path}/large\tsubtype\t", "far\txena:LUAD\tos\trna,cnv"]
    sheet.write_text("\n".join(["cohort\tsource\ttarget\tmodalities", *rows]) + "\n")
    done = snakemake(*PLAN, "--config", f"cohorts={sheet}")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    of_large = {rule: 2 for rule in ("information", "baselines", "verdict", "evaluate")} | {"encode": 4, "distil": 4}
    each = {"ingest": 3, "report_cohort": 3, "pool": 1, "all": 1, "download": 1}
    assert jobs(said) == Counter({**of_large, **each, "analyse": 1, "total": 26})
    options = command(said, "analyse")
    assert options["--folder"] == ["results/small/subtype"] and options["--logs"] == ["logs/small/subtype"]
    assert options["--views"] == options["--students"] == ["cnv", "rna"]
    assert "results/small/subtype/students" in inputs(said, "results/small/subtype/report.html")
    # Two cores for three rows: one each.
    (threads,) = options["--threads"]
    assert threads == "1"
    assert jobs(snakemake(*PLAN, "--config", f"cohorts={sheet}", "one_job_below_mb=22").stdout)["analyse"] == 2


FOLDER = "results/tcga-brca/pam50"
STUDENT = f"{FOLDER}/intermediate/students/rna.npz"
TEACHERS = f"{FOLDER}/teachers.tsv"


@pytest.mark.parametrize(
    ("config", "verdict_waits", "distil_waits"),
    [
        ([], True, False),
        (["criterion={rule: cch}"], False, False),
        (["criterion={rule: cch}", "distillation={evaluate: chosen}"], False, True),
    ],
)
def test_the_order_of_verdict_and_distillation_is_that_of_the_rule(
    snakemake, config: list[str], verdict_waits: bool, distil_waits: bool
) -> None:
    done = snakemake(*PLAN, TEACHERS, STUDENT, "--config", APART, *config)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert (STUDENT in inputs(said, TEACHERS)) == verdict_waits
    assert (TEACHERS in inputs(said, STUDENT)) == distil_waits


def test_students_of_chosen_teachers_need_a_rule_that_decides_before(snakemake) -> None:
    done = snakemake("-n", "--config", "distillation={evaluate: chosen}")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "'chosen' with criterion.rule 'pilot'" in said
    assert "Traceback" not in said


def test_a_view_of_several_modalities_is_encoded_once_and_teaches(snakemake, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text("cohort\tsource\ttarget\tteachers\na\tsimulated:complementary\tsubtype\trna;rna+rppa\n")
    done = snakemake(*PLAN, "--config", f"cohorts={sheet}", APART)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    encoded = {Path(output).name for rule, output in planned(said) if rule == "encode"}
    assert encoded == {"rna.npz", "cnv.npz", "rppa.npz", "rna+rppa.npz"}
    assert jobs(said)["distil"] == 3
    assert "encodings/rna+rppa.npz" in inputs(said, "results/a/subtype/intermediate/students/cnv.npz")
    assert "--view rna+rppa" in said


def test_commands_take_settings_and_names_with_blanks_as_they_are(snakemake, tmp_path: Path) -> None:
    folder = tmp_path / "our own data"
    folder.mkdir()
    for name in ("rna.tsv", "cnv.csv", "clinical.tsv"):
        (folder / name).write_text("content")
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text(f"cohort\tsource\ttarget\tclasses\nours\t{folder}\tsubtype\tA b,it's\n")
    config = [f"cohorts={sheet}", "pathvars={results: new results}", "seed=7"]
    options = command(snakemake(*PLAN, "--config", *config).stdout, "ingest")
    assert json.loads(options["--row"][0]) == {
        "cohort": "ours", "source": str(folder), "target": "subtype", "classes": "A b,it's",
    }  # fmt: skip
    assert options["--cohort"] == ["new results/ours/subtype/intermediate/cohort.h5mu"]
    assert options["--splits"] == ["new results/ours/subtype/intermediate/splits.npz"]
    assert options["--seed"] == ["7"]
    settings = json.loads(options["--settings"][0])
    assert settings == {
        "ingest": Config(cohorts="").ingest.model_dump(),
        "splits": Config(cohorts="").splits.model_dump(),
    }


def test_another_place_for_all_paths(snakemake) -> None:
    done = snakemake(*PLAN, "--config", "pathvars={results: elsewhere, logs: elsewhere/logs, resources: elsewhere/raw}")
    assert done.returncode == 0, done.stderr
    paths = re.findall(r"^    (?:output|log): (.*)$", done.stdout + done.stderr, re.MULTILINE)
    written = [path for line in paths for path in line.split(", ")]
    assert written
    assert all(path.startswith("elsewhere/") for path in written), written


def test_as_a_module_of_another_workflow(repository: Path, snakemake, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        f"""
module cch:
    snakefile: "{repository}/workflow/Snakefile"
    config: {{"cohorts": "{repository}/config/cohorts.tsv", "one_job_below_mb": 0}}
    pathvars:
        results="cch/results",
        logs="cch/logs",
        benchmarks="cch/benchmarks",
        resources="cch/resources",

use rule * from cch as cch_*
"""
    )
    done = snakemake(*PLAN, "cch_all", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cch/results/tcga-brca/pam50/report.html" in done.stdout + done.stderr
    assert jobs(done.stdout + done.stderr)["cch_distil"] == 6


def test_table_folder_without_modalities_in_the_sheet(snakemake, tmp_path: Path) -> None:
    for name in ("rna.tsv", "cnv.csv.gz", "clinical.tsv"):
        (tmp_path / name).write_text("content")
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text(f"cohort\tsource\ttarget\nours\t{tmp_path}\tsubtype\n")
    # The sheet itself is no modality.
    sheet = sheet.rename(tmp_path.parent / "sheet_of_tables.tsv")
    done = snakemake(*PLAN, "--config", f"cohorts={sheet}", APART)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {Path(output).name for rule, output in planned(done.stdout + done.stderr) if rule == "encode"} == {
        "rna.npz",
        "cnv.npz",
    }


WRONG = {
    "unknown key": (["--config", "sead=3"], ["key sead", "Did you mean 'seed'?"]),
    "unknown key in a section": (["--config", "splits={fold: 3}"], ["key splits.fold", "Did you mean 'folds'?"]),
    "no sheet": (["--config", "cohorts=nowhere.tsv"], ["cohort sheet nowhere.tsv", "no such file"]),
    "unknown source": (["--config", "cohorts=config/wrong.tsv"], ["'x'", "does not exist", "demo:NAME"]),
    "a modality that the source lacks": (
        ["--config", "cohorts=config/lacking.tsv"],
        ["column modalities", "'protein'", "methylation, mirna, rna"],
    ),
    "a section given twice": (
        ["--config", "splits={folds: 3}", "splits={repeats: 1}"],
        ["--config, key splits", "second time"],
    ),
    "a section given twice in a file": (
        ["--configfile", "config/twice.yaml"],
        ["config/twice.yaml, key splits", "second time"],
    ),
    "more folds than sense": (["--config", "splits={folds: 100000}"], ["key splits.folds", "less than or equal to 50"]),
    "results with braces": (["--config", "pathvars={results: 'a{b}'}"], ["key pathvars.results", "a{b}", "Braces"]),
    "row that is not in the sheet": (
        ["results/tcga-brca/stage/report.html"],
        ["no row with cohort 'tcga-brca'", "'stage'"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_a_message_and_no_traceback(name: str, snakemake, repository: Path) -> None:
    (repository / "config" / "wrong.tsv").write_text("cohort\tsource\ttarget\na\tx\ty\n")
    header = "cohort\tsource\ttarget\tmodalities\n"
    (repository / "config" / "lacking.tsv").write_text(f"{header}a\tdemo:tcga-brca\ty\trna,protein\n")
    (repository / "config" / "twice.yaml").write_text("splits: {folds: 3}\nseed: 1\nsplits: {repeats: 1}\n")
    options, words = WRONG[name]
    done = snakemake("-n", *options)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert not [word for word in words if word not in said], said
    assert "Traceback (most recent call last)" not in said
    # What is wrong is in a file of the user's, not in one of the workflow's. (What a target lacks, Snakemake says.)
    assert ("common.smk" in said) == (name == "row that is not in the sheet")


def test_a_target_has_the_name_that_the_sheet_gives_it(snakemake, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.tsv"
    lines = ("a\tsimulated:unrelated\tsubtype as my_type", "a\tsimulated:unrelated\tsubtype as other")
    sheet.write_text("\n".join(["cohort\tsource\ttarget", *lines]) + "\n")
    done = snakemake(*PLAN, "results/a/my_type/audit.json", "--config", f"cohorts={sheet}")
    options = command(done.stdout, "ingest")
    assert json.loads(options["--row"][0])["target"] == "subtype as my_type"
    assert options["--cohort"] == ["results/a/my_type/intermediate/cohort.h5mu"]


def test_lint_is_clean(snakemake) -> None:
    done = snakemake("--lint")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("profile", ["default", "local-gpu"])
def test_profiles_plan_the_same_jobs(profile: str, plan: str, snakemake) -> None:
    done = snakemake(*PLAN, "--config", APART, "--workflow-profile", f"workflow/profiles/{profile}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert jobs(done.stdout + done.stderr) == jobs(plan)


@pytest.mark.slow
def test_the_gpu_profile_gives_gpus_to_training_only(snakemake) -> None:
    done = snakemake(*PLAN, "--config", APART, "--workflow-profile", "workflow/profiles/local-gpu")
    said = done.stdout + done.stderr
    with_gpu = set(re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: .*\bgpu=1\b", said, re.MULTILINE))
    assert with_gpu == {"encode", "distil"}


@pytest.mark.slow
def test_the_slurm_profile_gives_gpus_to_training_only(snakemake) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm")
    done = snakemake(*PLAN, "--config", APART, "--workflow-profile", "workflow/profiles/slurm", "--executor", "local")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    with_gpu = set(re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: .*\bgpu=1\b", said, re.MULTILINE))
    assert with_gpu == {"encode", "distil"}


@pytest.mark.slow
def test_the_one_command_of_a_site_in_the_readme(snakemake) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm")
    text = (ROOT / "config" / "README.md").read_text()
    command = text.split("a site's one command is")[1].split("```sh")[1].split("```")[0].replace("\\\n", " ").split()
    assert command[0] == "snakemake"
    options = command[command.index("--default-resources") :]
    profile = command[command.index("--profile") + 1]
    done = snakemake(*PLAN, "--config", APART, "--workflow-profile", profile, "--executor", "local", *options)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    resources = {
        rule: line for rule, line in re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", said, re.M)
    }
    for rule, line in resources.items():
        assert "slurm_account=NAME" in line
        assert f"slurm_partition={'GPU_PARTITION' if rule in {'encode', 'distil'} else 'NAME'}" in line


def test_memory_and_time_follow_the_size_of_the_source(snakemake, tmp_path: Path) -> None:
    """A source of 3 GB, which takes no room on the disk: a file with a hole."""
    for name in ("rna.tsv", "cnv.tsv", "clinical.tsv"):
        (tmp_path / name).write_text("content")
    os.truncate(tmp_path / "rna.tsv", 3_000_000_000)
    sheet = tmp_path.parent / "sheet_of_size.tsv"
    sheet.write_text(f"cohort\tsource\ttarget\nours\t{tmp_path}\tsubtype\n")
    done = snakemake(*PLAN, "--config", f"cohorts={sheet}")
    (line,) = re.findall(r"^rule ingest:\n(?:    .*\n)*?    resources: (.*)$", done.stdout + done.stderr, re.MULTILINE)
    mebibytes = 3_000_000_000 / 2**20
    for name, value in {"mem_mb": memory_mb("ingest", mebibytes), "runtime": minutes("ingest", mebibytes)}.items():
        (said,) = re.findall(rf"\b{name}=(\d+)", line)
        assert abs(int(said) - value) < 0.01 * value


RULES = "\n".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
RULE = re.compile(r"^rule (\w+):\n((?:(?:    .*)?\n)*)", re.MULTILINE)


@pytest.mark.parametrize(("name", "body"), RULE.findall(RULES))
def test_every_rule_says_what_it_needs(name: str, body: str) -> None:
    for part in ('"""', "log:", "benchmark:", "mem_mb=", "runtime=", "conda:", '"{params.command} ', " --log {log:q}"):
        assert part in body, f"rule {name} lacks {part}"
    (step,) = re.findall(r'\*\*cch\(\s*"(\w+)"', body)
    assert step in STEPS
    assert ("threads:" in body) == ("--threads {threads}" in body)
    assert ("device=" in body) == ("--device {resources.device}" in body)
    for need in ("memory", "runtime"):
        assert f'{need}("{step}")' in body, f"rule {name} runs {step}, but asks for what another step needs"


def test_every_step_has_a_rule() -> None:
    assert sorted(re.findall(r'\*\*cch\(\s*"(\w+)"', RULES)) == sorted(STEPS)


def test_catalogue_files_are_there() -> None:
    for name in (".snakemake-workflow-catalog.yml", "workflow/Snakefile", "config/README.md", "config/config.yaml"):
        assert (ROOT / name).is_file()


def test_snakefmt_is_content() -> None:
    import subprocess
    import sys

    command = shutil.which("snakefmt", path=str(Path(sys.executable).parent)) or "snakefmt"
    done = subprocess.run([command, "--check", "Snakefile", "workflow"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

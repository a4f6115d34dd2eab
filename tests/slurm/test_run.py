"""The workflow on a real Slurm: two cohorts, what its jobs asked for, and the same tables as on this machine."""

import re

import pytest
from cluster import NODE_GPUS, Job, Slurm
from workplace import Workplace, steps_run

from cch_omics.planning.steps import memory_mb, minutes

pytestmark = pytest.mark.slow
CONFIG = {
    "one_job_below_mb": 0,
    "splits": {"repeats": 1, "folds": 3, "inner_folds": 3},
    "encoder": {"units": 4, "components": 8, "max_epochs": 20},
    "information": {"dimension": 2, "subsamples": 2, "simulations": 8},
    "baselines": {"boosting": False},
}
COHORTS = {"misleading": ("rna", "mutation"), "unrelated": ("rna", "cnv")}
SHEET = [f"{name}\tsimulated:{name}\tsubtype" for name in COHORTS]
SUBMITTED = {"ingest", "encode", "information", "distil", "baselines", "verdict", "evaluate"}
LOCAL = {"simulate", "report", "pool"}


@pytest.fixture(scope="module")
def place(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace.new(tmp_path_factory.mktemp("run") / "slurm", slurm, CONFIG, SHEET)


@pytest.fixture(scope="module")
def said(place: Workplace) -> str:
    """What a run of both cohorts on Slurm said."""
    return place.on_slurm().finish()


@pytest.fixture(scope="module")
def jobs(said: str, slurm: Slurm) -> list[Job]:
    return slurm.jobs()


def test_two_m_plus_five_jobs_for_each_cohort_and_no_more(jobs: list[Job]) -> None:
    assert {job.state for job in jobs} == {"COMPLETED"}
    assert len(jobs) == sum(2 * len(modalities) + 5 for modalities in COHORTS.values())
    assert {job.rule for job in jobs} == SUBMITTED
    for step in ("encode", "distil"):
        done = sorted(job.wildcards for job in jobs if job.rule == step)
        assert done == sorted(f"{cohort}_subtype_{name}" for cohort, names in COHORTS.items() for name in names)


def test_collectors_ran_here_and_not_on_the_cluster(said: str, place: Workplace) -> None:
    assert set(steps_run(said)) == SUBMITTED | LOCAL
    on_nodes, here = set(), set()
    for log in (place.path / "logs").rglob("*.log"):
        name = log.relative_to(place.path / "logs").with_suffix("").as_posix()
        step = re.sub(r"^(misleading|unrelated)/subtype/", "", name).partition("/")[0]
        (here if "Slurm job none" in log.read_text().splitlines()[0] else on_nodes).add(step)
    assert on_nodes == SUBMITTED
    assert here == LOCAL


@pytest.mark.parametrize("step", sorted(SUBMITTED))
def test_jobs_asked_for_what_the_formula_says(step: str, jobs: list[Job], place: Workplace) -> None:
    size_mb = {}
    for cohort in COHORTS:
        folder = place.path / "results" / cohort / "subtype" / "intermediate"
        size_mb[cohort] = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    for job in (job for job in jobs if job.rule == step):
        size = size_mb[job.wildcards.partition("_")[0]]
        assert memory_mb(step, 0) <= job.megabytes <= memory_mb(step, size) + 1
        assert minutes(step, 0) <= job.minutes <= minutes(step, size) + 1
        assert job.gpus == (1 if step in {"encode", "distil"} else 0)
        assert job.cpus == {"encode": 4, "distil": 4, "information": 4, "baselines": 8}.get(step, 1)


def test_no_more_jobs_at_a_time_than_gpus(jobs: list[Job]) -> None:
    spans = [(job.fields["StartTime"], job.fields["EndTime"]) for job in jobs if job.gpus]
    for start, _ in spans:
        assert sum(first <= start < last for first, last in spans) <= NODE_GPUS


def test_tables_equal_those_of_a_run_on_this_machine(said: str, place: Workplace) -> None:
    local = Workplace.new(place.path.with_name("local"), place.slurm, CONFIG, SHEET)
    local.here()
    mine, other = place.files(".tsv", ".npz", ".safetensors"), local.files(".tsv", ".npz", ".safetensors")
    assert len(mine) > 2 * 12
    assert mine == other
    assert place.leftovers() == []


def test_logs_open_with_host_job_device_versions_and_parameters(jobs: list[Job], place: Workplace) -> None:
    (job,) = (job for job in jobs if job.wildcards == "misleading_subtype_rna" and job.rule == "encode")
    lines = (place.path / "logs/misleading/subtype/encode/rna.log").read_text().splitlines()
    assert f"Slurm job {job.id}" in lines[0]
    assert f"host {job.fields['NodeList']}" in lines[0]
    assert "torch 2" in lines[1]
    assert any("view: rna" in line for line in lines)
    assert any("encoder: units=4" in line for line in lines)
    assert any("device: cpu" in line for line in lines)
    assert lines[-1].endswith("done")


def test_a_second_run_has_nothing_to_do(said: str, place: Workplace) -> None:
    assert "Nothing to be done" in place.on_slurm("-n").finish()


def test_a_gpu_that_is_granted_but_not_there_fails_with_a_word(said: str, place: Workplace, slurm: Slurm) -> None:
    """As in the profile, device=cuda: Slurm grants the card of the test, which is a plain file."""
    copy = place.copy(place.path.with_name("cuda"))
    target = "results/misleading/subtype/intermediate/encodings/rna.npz"
    (copy.path / target).unlink()
    said = copy.on_slurm(target, "--retries", "0", resources=["encode:device=cuda"]).finish(fails=True)
    log = (copy.path / "logs/misleading/subtype/encode/rna.log").read_text()
    for text in (said, log):
        assert "no GPU that torch can use" in text
        assert "a CPU build is installed" in text
        assert "CUDA_VISIBLE_DEVICES not set" in text
    assert slurm.jobs()[-1].state == "FAILED"


def test_a_failed_cohort_does_not_stop_the_others(said: str, place: Workplace, slurm: Slurm) -> None:
    """A third cohort has no such target: it fails, the pooled page is made of the two others and says so."""
    copy = place.copy(place.path.with_name("keep_going"))
    copy.write_sheet(*SHEET, "wrong\tsimulated:unrelated\tstage")
    before = slurm.last()
    said = copy.on_slurm("--retries", "0").finish(fails=True)
    assert [(job.rule, job.state) for job in slurm.jobs(before)] == [("ingest", "FAILED")]
    assert "Not finished: wrong, stage: ingest failed, see logs/wrong/stage/ingest.log" in said
    page = (copy.path / "results" / "report.html").read_text()
    assert "wrong, stage: ingest failed, see logs/wrong/stage/ingest.log" in page
    assert "misleading, subtype" in page and "unrelated, subtype" in page
    # The sheet mended, the page is made again.
    copy.write_sheet(*SHEET)
    assert steps_run(copy.on_slurm().finish()) == ["pool"]
    assert "could not finish" not in (copy.path / "results" / "report.html").read_text()
    assert copy.files(".tsv") == place.files(".tsv")

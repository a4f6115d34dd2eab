"""Each fault for real: what is lost, what is redone, and that the tables come out as of an undisturbed run."""

import ast
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cluster import Job, Slurm, short_host, wait_for
from faults import FAULTS
from workplace import Workplace, steps_run

pytestmark = pytest.mark.slow
CONFIG = {
    "one_job_below_mb": 0,
    "splits": {"repeats": 7, "folds": 3, "inner_folds": 3},
    "encoder": {"units": 4, "components": 16, "max_epochs": 200},
    "information": {"dimension": 2, "subsamples": 2, "simulations": 8},
    "baselines": {"boosting": False},
}
N_SPLITS = 22
FOLDER = "results/made/subtype"
TABLES = [
    f"{name}.tsv" for name in ("information", "evidence", "verdicts", "teachers", "gains", "references", "scorecard")
]
OF_STEPS = [
    f"{name}.tsv"
    for name in (
        "information",
        "summary",
        "performance",
        "comparisons",
        "members",
        "criteria",
        "advised",
        "predictions",
    )
]
RNA = f"{FOLDER}/intermediate/encodings/rna.npz"
# The last table of a cohort, for which all others are made. One thread, so that there is time to break the training.
COMMAND = (f"{FOLDER}/scorecard.tsv", "--set-threads", "encode=1")
# The training alone: where what is made from it is still there, it has to come out as it was.
TRAINING = (RNA, *COMMAND[1:])
MUTATION = f"{FOLDER}/intermediate/encodings/mutation.npz"
LOG = "logs/made/subtype/encode/rna.log"
# What is still to be done in the copies that the tests break: all that is made from the encoders of rna.
MADE_LATER = [f"{FOLDER}/{name}" for name in TABLES]
MADE_LATER += [f"{FOLDER}/intermediate/students/{name}.npz" for name in ("rna", "mutation")]
MADE_LATER += [f"{FOLDER}/intermediate/{name}" for name in OF_STEPS]
MISSING = [RNA, *MADE_LATER]
AFTER_TRAINING = ["distil", "distil", "evaluate", "information", "verdict"]
TO_DO = sorted(["encode", *AFTER_TRAINING])


@pytest.fixture(scope="module")
def undisturbed(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A run on this machine to which nothing happens."""
    sheet = ["made\tsimulated:misleading\tsubtype"]
    place = Workplace.new(tmp_path_factory.mktemp("faults") / "undisturbed", slurm, CONFIG, sheet)
    place.here(COMMAND[0])
    return place


@pytest.fixture
def place(undisturbed: Workplace, tmp_path: Path) -> Workplace:
    """The same without the encoders of rna."""
    copy = undisturbed.copy(tmp_path / "place")
    for name in (RNA, LOG):
        (copy.path / name).unlink()
    return copy


def forget(place: Workplace) -> None:
    """Remove the encoders of rna and all that is made from them."""
    for name in [*MISSING, LOG]:
        (place.path / name).unlink()
    shutil.rmtree(place.path / FOLDER / "students")


def make_free(slurm: Slurm) -> None:
    """End all jobs and put the node back into service: a failure does not take it from what comes later."""
    slurm.call("scancel", "--user=root")
    wait_for(lambda: not running(slurm), 60, slurm.logs)
    slurm.resume()


@pytest.fixture(autouse=True)
def free_node(slurm: Slurm) -> None:
    make_free(slurm)


def running(slurm: Slurm) -> set[int]:
    return {job.id for job in slurm.jobs() if job.state in {"PENDING", "RUNNING", "COMPLETING"}}


def splits(place: Workplace) -> dict[str, int]:
    """Stored splits of the training, with their dates."""
    return {
        path.name: path.stat().st_mtime_ns for path in (place.path / RNA).parent.glob(".rna.npz.*.state/split-*.npz")
    }


def worker(place: Workplace, slurm: Slurm) -> tuple[int, int]:
    """Process and job that write the log, once there is one."""
    text = (place.path / LOG).read_text() if (place.path / LOG).is_file() else ""
    found = re.match(r".*process (\d+), Slurm job (\d+)", text)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def in_training(place: Workplace, slurm: Slurm, *, more_than: int = 3, other_than: int = 0) -> tuple[int, Job]:
    """Wait for a training that has stored some splits, and stop it there: its process and its job."""

    def stopped() -> bool:
        pid, _ = worker(place, slurm)
        if pid in {0, other_than} or len(splits(place)) <= more_than:
            return False
        os.kill(pid, signal.SIGSTOP)
        return True

    wait_for(stopped, 400, lambda: f"{sorted(splits(place))} {slurm.logs()}")
    pid, job = worker(place, slurm)
    assert len(splits(place)) < N_SPLITS, "the training was over before it could be broken"
    return pid, next(each for each in slurm.jobs() if each.id == job)


def not_redone(kept: dict[str, int], later: dict[str, int]) -> bool:
    """Whether stored splits are still the same files, but for the two of a batch of three that was not complete."""
    return len(kept) - len(kept.items() & later.items()) <= 2


def went_on_from(place: Workplace, kept: dict[str, int]) -> None:
    """The last training began with the stored splits, and did not do them again."""
    found = re.search(r"going on from (\d+) splits", (place.path / LOG).read_text())
    assert found
    assert int(found.group(1)) >= len(kept)


def as_undisturbed(place: Workplace, undisturbed: Workplace) -> None:
    """Every table and array is that of the undisturbed run to the last byte, nothing half-written is left."""
    mine, other = place.files(".tsv", ".npz", ".json"), undisturbed.files(".tsv", ".npz", ".json")
    learnt = (f"students/{name}/features.tsv" for name in ("rna", "mutation"))
    tables = {*TABLES, *learnt, *(f"intermediate/{name}" for name in OF_STEPS)}
    assert {name for name in mine if name.endswith(".tsv")} == {f"made/subtype/{name}" for name in tables}
    assert mine == other
    assert place.leftovers() == []


def test_every_fault_has_its_test() -> None:
    tests = [node.name for node in ast.parse(Path(__file__).read_text()).body if isinstance(node, ast.FunctionDef)]
    assert {fault.test for fault in FAULTS} <= set(tests)


@pytest.fixture(scope="module")
def three_times(undisturbed: Workplace, slurm: Slurm, tmp_path_factory: pytest.TempPathFactory):
    """One run in which the training is killed, cancelled, and loses its node, one after the other.

    Returns the place, for each blow what was stored when it came, the jobs, and the dates of results before.
    """
    make_free(slurm)
    place = undisturbed.copy(tmp_path_factory.mktemp("three") / "place")
    forget(place)
    before = slurm.last()
    dates = place.dates()
    run = place.on_slurm(*COMMAND)
    kept = {}
    try:
        pid, _ = in_training(place, slurm)
        kept["kill"] = splits(place)
        os.kill(pid, signal.SIGKILL)

        pid, job = in_training(place, slurm, more_than=len(kept["kill"]) + 1, other_than=pid)
        kept["scancel"] = splits(place)
        slurm.call("scancel", str(job.id))

        pid, job = in_training(place, slurm, more_than=len(kept["scancel"]) + 1, other_than=pid)
        kept["node"] = splits(place)
        slurm.call("scontrol", "update", f"NodeName={short_host()}", "State=DOWN", "Reason=test")
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: slurm.jobs()[-1].state == "PENDING", 60, slurm.logs)
        assert "down" in slurm.call("sinfo", "--noheader", "--format=%t")
        # Resumed before it is done with the job, the node would be drained: a job twice on it.
        wait_for(lambda: slurm.has_ended(job.id), 60, slurm.logs)
        slurm.resume()
        # Slurm lets requeued jobs wait for two minutes.
        slurm.call("scontrol", "update", f"JobId={job.id}", "StartTime=now")
        run.finish()
    finally:
        run.kill()
        place.end_processes()
    return place, kept, slurm.jobs(before), dates


def test_a_worker_is_killed(three_times, undisturbed: Workplace) -> None:
    place, kept, jobs, dates = three_times
    assert [job.rule for job in jobs[:3]] == ["encode"] * 3
    assert sorted(job.rule for job in jobs[3:]) == AFTER_TRAINING
    assert jobs[0].state == "FAILED"
    # What was stored then is what was stored later: not done again.
    assert not_redone(kept["kill"], kept["scancel"])
    as_undisturbed(place, undisturbed)
    assert all(place.dates()[name] == date for name, date in dates.items())


def test_a_job_is_cancelled(three_times, undisturbed: Workplace) -> None:
    place, kept, jobs, _ = three_times
    assert jobs[1].state == "CANCELLED"
    assert not_redone(kept["scancel"], kept["node"])
    as_undisturbed(place, undisturbed)


def test_a_node_goes_down_and_comes_back(three_times, undisturbed: Workplace) -> None:
    place, kept, jobs, _ = three_times
    assert (jobs[2].state, jobs[2].fields["Restarts"]) == ("COMPLETED", "1")
    went_on_from(place, kept["node"])
    as_undisturbed(place, undisturbed)


@pytest.fixture(scope="module")
def killed(undisturbed: Workplace, slurm: Slurm, tmp_path_factory: pytest.TempPathFactory):
    """A run, a second one beside it, then the first one killed, its lock removed, and the same command again.

    Returns the place, what the second run, one over the lock and the last one said, the splits that were stored and the
    jobs that there were when the first one was killed, the dates of results then, and all jobs in the end.
    """
    make_free(slurm)
    place = undisturbed.copy(tmp_path_factory.mktemp("killed") / "place")
    forget(place)
    before = slurm.last()
    run = place.on_slurm(*COMMAND)
    try:
        pid, _ = in_training(place, slurm)
        beside = place.on_slurm(*COMMAND).finish(fails=True)
        kept, jobs, dates = splits(place), slurm.jobs(before), place.dates()
    finally:
        run.kill()
    locked = place.on_slurm(*COMMAND).finish(fails=True)
    place.on_slurm("--unlock").finish()
    again = place.on_slurm(*COMMAND)
    # The job of the dead run stands still until that of the new run goes on from its splits: else it might be done by
    # then, and nothing left to go on from.
    try:
        log = place.path / LOG
        wait_for(lambda: log.is_file() and "going on from" in log.read_text(), 300)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    said = again.finish()
    # The job of the dead run goes on, and ends well beside the new one.
    wait_for(lambda: not running(slurm), 300)
    return place, (beside, locked, said), kept, jobs, dates, slurm.jobs(before)


def test_the_main_process_is_killed(killed, undisturbed: Workplace) -> None:
    place, (_, locked, said), kept, _, dates, jobs = killed
    assert "Directory cannot be locked" in locked and "--unlock" in locked
    assert sorted(steps_run(said)) == TO_DO
    assert [job.rule for job in jobs[:2]] == ["encode", "encode"]
    assert sorted(job.rule for job in jobs[2:]) == AFTER_TRAINING
    assert {job.state for job in jobs} == {"COMPLETED"}
    went_on_from(place, kept)
    assert all(place.dates()[name] == date for name, date in dates.items())
    as_undisturbed(place, undisturbed)


def test_two_runs_in_one_directory(killed, undisturbed: Workplace) -> None:
    place, (beside, _, _), _, jobs, _, _ = killed
    assert "Directory cannot be locked" in beside
    assert steps_run(beside) == []
    assert [(job.rule, job.state) for job in jobs] == [("encode", "RUNNING")]
    as_undisturbed(place, undisturbed)


def test_the_wall_time_is_exceeded(place: Workplace, undisturbed: Workplace, slurm: Slurm) -> None:
    before = slurm.last()
    run = place.on_slurm(*TRAINING)
    try:
        _, job = in_training(place, slurm)
        kept = splits(place)
        # The job hangs; a minute is the shortest limit that Slurm has, so its end is moved instead. slurmctld refuses
        # an end in the past, so ten seconds are left for the call.
        end = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 10))
        slurm.call("scontrol", "update", f"JobId={job.id}", f"EndTime={end}")
        run.finish()
    finally:
        run.kill()
    jobs = slurm.jobs(before)
    assert [(job.rule, job.state) for job in jobs[:2]] == [("encode", "TIMEOUT"), ("encode", "COMPLETED")]
    assert jobs[1].minutes >= 1.9 * jobs[0].minutes
    went_on_from(place, kept)
    as_undisturbed(place, undisturbed)


def test_out_of_memory(place: Workplace, undisturbed: Workplace, slurm: Slurm) -> None:
    before = slurm.last()
    place.on_slurm(*TRAINING, resources=["encode:mem_mb=250 * attempt**3"]).finish()
    jobs = slurm.jobs(before)
    assert [(job.rule, job.megabytes) for job in jobs[:2]] == [("encode", 250), ("encode", 2000)]
    # Where cgroups watch over memory the state is OUT_OF_MEMORY.
    assert jobs[0].state in {"FAILED", "OUT_OF_MEMORY"}
    assert re.search(rf"StepId={jobs[0].id}\.\w+ exceeded memory limit", (slurm.folder / "slurmd.log").read_text())
    assert jobs[1].state == "COMPLETED"
    as_undisturbed(place, undisturbed)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A file system of a size in the place of a folder; what was in it is copied there."""
    content = shutil.copytree(folder, folder.with_name("content"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        shutil.copytree(content, folder, dirs_exist_ok=True)
        yield
        shutil.copytree(folder, content, dirs_exist_ok=True)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    shutil.copytree(content, folder, dirs_exist_ok=True)
    shutil.rmtree(content)


def test_the_disk_is_full(place: Workplace, undisturbed: Workplace, slurm: Slurm) -> None:
    folder = (place.path / RNA).parent
    stored = sum(file.stat().st_size for file in folder.iterdir())
    with small_disk(folder, stored // 1024 + 400):
        said = place.on_slurm(*TRAINING, "--retries", "0").finish(fails=True)
        assert "found no space left on device" in said
        assert not (place.path / RNA).exists()
        kept = splits(place)
        assert 0 < len(kept) < N_SPLITS
        # No draft is left; what is stored is whole.
        assert [name for name in place.leftovers() if "split" in name] == []
        subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
        place.on_slurm(*TRAINING, "--retries", "0").finish()
        went_on_from(place, kept)
    as_undisturbed(place, undisturbed)


def test_a_truncated_file(undisturbed: Workplace, slurm: Slurm, tmp_path: Path) -> None:
    place = undisturbed.copy(tmp_path / "place")
    for name in MADE_LATER:
        (place.path / name).unlink()
    damaged = place.path / MUTATION
    os.truncate(damaged, damaged.stat().st_size // 2)
    said = place.on_slurm(*COMMAND, "--retries", "0").finish(fails=True)
    assert set(steps_run(said)) == {"distil", "information"}
    assert "mutation.npz is damaged" in said
    assert "run the same command again" in said
    assert not damaged.exists()
    said = place.on_slurm(*COMMAND, "--retries", "0").finish()
    assert sorted(steps_run(said)) == TO_DO
    aside = damaged.with_name(".mutation.npz.damaged")
    aside.unlink()
    as_undisturbed(place, undisturbed)


def test_a_corrupt_cache(place: Workplace, undisturbed: Workplace, slurm: Slurm) -> None:
    run = place.on_slurm(*TRAINING, "--retries", "0")
    try:
        _, job = in_training(place, slurm)
        slurm.call("scancel", str(job.id))
        run.finish(fails=True)
    finally:
        run.kill()
    kept = splits(place)
    files = sorted((place.path / RNA).parent.glob(".rna.npz.*.state/*.npz"))
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 0xFF
    files[0].write_bytes(content)
    os.truncate(files[1], 100)
    for note in (place.path / ".snakemake" / "metadata").iterdir():
        os.truncate(note, 0)
    said = place.on_slurm(*TRAINING, "--retries", "0").finish()
    assert steps_run(said) == ["encode"]
    went_on_from(place, kept)
    log = (place.path / LOG).read_text()
    assert [file.name for file in files if f"{file.name} is damaged" in log] == [files[0].name, files[1].name]
    as_undisturbed(place, undisturbed)


def test_a_clock_in_the_past(undisturbed: Workplace, slurm: Slurm, tmp_path: Path) -> None:
    place = undisturbed.copy(tmp_path / "place")
    forget(place)
    dates = place.dates()
    for path in (place.path / "results").rglob("*"):
        later = path.stat().st_mtime + 3600
        os.utime(path, (later, later))
    said = place.on_slurm(*COMMAND, "--retries", "0").finish(fails=True)
    assert "clock skew" in said
    place.here(COMMAND[0], "--touch", "--forceall")
    assert max(place.dates().values()) <= time.time_ns()
    said = place.on_slurm(*COMMAND).finish()
    assert sorted(steps_run(said)) == TO_DO
    assert set(dates) <= set(place.dates())
    as_undisturbed(place, undisturbed)

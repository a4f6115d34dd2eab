"""A real Slurm on this machine, private to a test run: its own key, ports, state and logs in one folder.

Nothing is installed and nothing is left in /etc: commands find it by SLURM_CONF. Two GPUs are declared by plain files,
so Slurm counts and grants them, and CUDA sees none.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
NODE_CPUS, NODE_MB, NODE_GPUS = 16, 64000, 2

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
AccountingStorageType=accounting_storage/none
# Memory is polled every second, and a job that takes more than it asked for is killed.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
# The node notes down that it is done with a job.
Epilog={folder}/epilog
# A node that is set down stays down until it is resumed.
ReturnToService=1
# Jobs stay in the listing after their end: there is no accounting.
MinJobAge=3600
KillWait=1
MpiDefault=none
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={megabytes} Gres=gpu:{gpus}
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Why there can be no Slurm here; empty if there can."""
    if os.getuid() != 0:
        return "needs root: Slurm's daemons start jobs as their users"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)} here: apt-get install slurm-wlm munge"
    try:
        socket.gethostbyname(short_host())
    except OSError:
        return f"the name of this host, {short_host()}, has no address: put it into /etc/hosts"
    return ""


def short_host() -> str:
    return socket.gethostname().partition(".")[0]


@dataclass(frozen=True)
class Job:
    """What `scontrol show job` says of a job."""

    fields: dict[str, str] = field(repr=False)
    id: int = 0

    @property
    def rule(self) -> str:
        return re.sub(r"_wildcards_.*", "", self.fields.get("Comment", "")).removeprefix("rule_")

    @property
    def wildcards(self) -> str:
        return self.fields.get("Comment", "").partition("_wildcards_")[2]

    @property
    def state(self) -> str:
        return self.fields["JobState"]

    @property
    def gpus(self) -> int:
        found = re.search(r"gres:gpu:(\d+)", self.fields.get("TresPerJob", ""))
        return int(found.group(1)) if found else 0

    @property
    def megabytes(self) -> int:
        number, unit = re.search(r"mem=([\d.]+)([MG])", self.fields["TRES"]).groups()
        return round(float(number) * {"M": 1, "G": 1024}[unit])

    @property
    def cpus(self) -> int:
        return int(self.fields["NumCPUs"])

    @property
    def minutes(self) -> int:
        days, _, clock = self.fields["TimeLimit"].rpartition("-")
        hours, minutes, _ = map(int, clock.split(":"))
        return 60 * (24 * int(days or 0) + hours) + minutes


class Slurm:
    """A cluster of one node."""

    def __init__(self, folder: Path, cpus: int = NODE_CPUS) -> None:
        self.folder = folder
        self.cpus = cpus

    def start(self) -> None:
        folder = self.folder
        for name in ("state", "spool", "ended"):
            (folder / name).mkdir()
        cards = [folder / f"gpu{number}" for number in range(NODE_GPUS)]
        for card in cards:
            card.touch()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(64))
        key.chmod(0o400)
        ports = free_ports(2)
        text = CONFIGURATION.format(
            host=short_host(), folder=folder, controller_port=ports[0], node_port=ports[1],
            cpus=self.cpus, megabytes=NODE_MB, gpus=NODE_GPUS,
        )  # fmt: skip
        (folder / "slurm.conf").write_text(text)
        (folder / "gres.conf").write_text(f"NodeName={short_host()} Name=gpu File={folder}/gpu[0-{NODE_GPUS - 1}]\n")
        (folder / "bin").mkdir()
        scripts = {
            "epilog": f'touch {folder}/ended/"$SLURM_JOB_ID"',
            # Snakemake's plugin clears variables of Slurm before it starts a step.
            "bin/srun": f'SLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"',
        }
        for name, command in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{command}\n")
            (folder / name).chmod(0o755)
        munge = {"socket": "socket", "key-file": "key", "log-file": "log", "pid-file": "pid", "seed-file": "seed"}
        # --force: it does not like the permissions of /tmp above its folder.
        self.call("munged", "--force", *(f"--{option}={folder}/munge.{name}" for option, name in munge.items()))
        self.call("slurmctld")
        self.call("slurmd")
        wait_for(lambda: "idle" in self.call("sinfo", "--noheader", "--format=%t"), 60, self.logs)

    def stop(self) -> None:
        """End jobs and daemons, by the numbers that they wrote down."""
        subprocess.run(["scancel", "--user=root"], env=self.env(), capture_output=True, timeout=30)
        for name in ("slurmd", "slurmctld", "munge"):
            file = self.folder / f"{name}.pid"
            if not file.is_file():
                continue
            number = int(file.read_text())
            try:
                os.kill(number, signal.SIGTERM)
                wait_for(lambda number=number: has_ended(number), 20)
            except ProcessLookupError:
                pass
            except TimeoutError:
                os.kill(number, signal.SIGKILL)

    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SNAKEMAKE", "SLURM_"))}
        return kept | {"SLURM_CONF": f"{self.folder}/slurm.conf", "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}

    def call(self, *command: str) -> str:
        done = subprocess.run(command, env=self.env(), capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}{self.logs()}"
        return done.stdout

    def jobs(self, after: int = 0) -> list[Job]:
        """All jobs with a number above `after`, ended ones too."""
        blocks = self.call("scontrol", "show", "job", "--oneliner").splitlines()
        found = [dict(re.findall(r"(\w+)=(\S*)", block)) for block in blocks if block.startswith("JobId=")]
        jobs = [Job(fields, int(fields["JobId"])) for fields in found]
        return sorted((job for job in jobs if job.id > after), key=lambda job: job.id)

    def last(self) -> int:
        return max((job.id for job in self.jobs()), default=0)

    def has_ended(self, job: int) -> bool:
        """Whether the node is done with a job, whatever the controller thinks of it.

        That no step is left on the node is not enough: until the node has seen so, and it looks at intervals, it takes
        the job for running, and refuses to start it again.
        """
        return (self.folder / "ended" / str(job)).exists()

    def resume(self) -> None:
        """Put the node back into service if it is down or drained."""
        if self.call("sinfo", "--noheader", "--format=%t").startswith(("down", "drain", "drng")):
            self.call("scontrol", "update", f"NodeName={short_host()}", "State=RESUME")

    def logs(self) -> str:
        files = [self.folder / name for name in ("munge.log", "slurmctld.log", "slurmd.log")]
        return "".join(f"\n== {file.name}\n{file.read_text()[-2000:]}" for file in files if file.is_file())


@contextmanager
def running_slurm(folder: Path, cpus: int = NODE_CPUS) -> Iterator[Slurm]:
    """Start a cluster in a folder, and end it whatever happens."""
    slurm = Slurm(folder, cpus)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


def has_ended(process: int) -> bool:
    """Whether a process has, even if nobody has asked for its status yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(condition: Callable[[], object], seconds: float, explain: Callable[[], str] = str) -> None:
    """Wait until a condition holds.

    Raises
    ------
    TimeoutError
        If it does not within `seconds`; with what `explain` says then.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s. {explain()}")
        time.sleep(0.1)

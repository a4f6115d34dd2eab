"""What processes take of memory, as Linux says it."""

from pathlib import Path


def resident(which: str, process: int | str = "self") -> float:
    """Megabytes of a process, by default this one: those it has (VmRSS), or had at most (VmHWM).

    Raises
    ------
    OSError, KeyError
        Where the process has ended.
    """
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(lines[which].split()[0]) / 1024

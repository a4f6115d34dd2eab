"""Files of earlier steps that were damaged after they had been written: found when a step fails, and set aside.

Steps write their files whole or not at all, but a full or broken disk can still cut one short later. Its date then says
that it is up to date, so it would be read again and again. Set aside, it is made anew when the same command is run
again.
"""

import logging
import zipfile
from collections.abc import Iterable
from pathlib import Path

logger = logging.getLogger(__name__)
INTERMEDIATE = "intermediate"


def set_aside_damaged(paths: Iterable[Path]) -> list[Path]:
    """Rename damaged files of earlier steps to `.NAME.damaged`, and say so.

    Parameters
    ----------
    paths
        What a step was given. Only files below a folder `intermediate` are touched; of another folder, those in its own
        folder `intermediate`.

    Returns
    -------
    Those that were damaged, as they were called.
    """
    damaged = []
    for path in paths:
        below = [path] if INTERMEDIATE in path.parts else [path / INTERMEDIATE]
        files = [file for each in below for file in ([each] if each.is_file() else sorted(each.rglob("*")))]
        for file in files:
            reason = damage(file)
            if reason:
                aside = file.with_name(f".{file.name}.damaged")
                try:
                    file.replace(aside)
                except FileNotFoundError:
                    # Another step that was given it has been first.
                    continue
                logger.error(
                    "%s is damaged (%s). It is set aside as %s: run the same command again, and it is made anew.",
                    file,
                    reason,
                    aside.name,
                )
                damaged.append(file)
    return damaged


def damage(file: Path) -> str:
    """What is wrong with an `.npz` or `.h5mu` file as such; empty if nothing is, or for other files."""
    if not file.is_file() or file.name.startswith("."):
        return ""
    try:
        if file.suffix == ".npz":
            with zipfile.ZipFile(file) as archive:
                member = archive.testzip()
            return f"wrong checksum of {member}" if member else ""
        if file.suffix == ".h5mu":
            import h5py

            with h5py.File(file, "r") as content:
                content.visititems(lambda name, item: None)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return ""

"""Results of long benchmarks, a file for each case: a benchmark that is stopped goes on where it was."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cch_omics.runtime.files import atomic


def keep(path: Path, measure: Callable[[], dict[str, Any]]) -> None:
    """Measure a case whose file is not there, write the file whole, and say how long it took (`about`, `seconds`)."""
    if path.exists():
        return
    found = measure()
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(found), encoding="utf-8")
    print(time.strftime("%H:%M:%S"), path.stem, f"{found['about']['seconds']:.0f} s", flush=True)

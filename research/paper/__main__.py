"""The experiments of arXiv 2510.13182, on data that can be had: what the paper claims, and what was found.

    make paper DATA=DIR
    python -m research.paper --data DIR --output DIR --page docs/paper.md
    python -m research.paper --output DIR --parts synthetic --quick        (seconds, without data)

DIR of --data has the folders mnist, spoken-digits and so on. Each case is a file of DIR of --output, and is not
measured again. Prints the tables; with --page it writes them into that page, between the marks of each part, and the
figures beside it.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from research.benchmarks.kept import keep
from research.paper.page import PARTS, parts_of, write_figures, write_page


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, required=True, help="a file for each case; not for the repository")
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS), metavar="PART,PART")
    parser.add_argument("--quick", action="store_true", help="few points and draws")
    parser.add_argument("--tables", action="store_true", help="measure nothing")
    parser.add_argument("--page", type=Path, help="the page to write the tables into")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    output = args.output / "quick" if args.quick else args.output
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if not args.tables:
        for part in args.parts:
            for name, measure in PARTS[part].cases(args.data, quick=args.quick):
                keep(output / part / f"{name}.json", partial(timed, measure))
    written = parts_of(output, args.parts)
    write_figures(written, output if args.page is None else args.page.parent)
    if args.page is not None:
        write_page(written, args.page)
    print("\n\n".join(part.text for part in written))


def timed(measure: Callable[[], pd.DataFrame]) -> dict[str, Any]:
    """Rows of a case, and the seconds of processor that they took."""
    begun = time.process_time()
    rows = json.loads(measure().to_json(orient="records", double_precision=6))
    return {"about": {"seconds": time.process_time() - begun}, "rows": rows}


if __name__ == "__main__":
    main()

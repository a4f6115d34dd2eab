"""Where cohorts come from, and all cohorts together."""

from pathlib import Path
from typing import Annotated

import typer

from cch_omics.cli.command import CohortOutput, Log, PageOutput, Seed, Settings, command, file, sections
from cch_omics.cli.written import Written, is_download
from cch_omics.config import comma_list
from cch_omics.keys import ADVISED_COLUMNS, CRITERIA_COLUMNS


@command
def demo(name: Annotated[str, typer.Argument(help="tcga-brca")], output: CohortOutput, log: Log = None) -> None:
    """Download a public cohort and write it as MuData."""
    from cch_omics.data.demo import download_demo

    download_demo(name, output)


@command
def download(
    source: Annotated[str, typer.Argument(help="cbioportal:STUDY or xena:COHORT")],
    output: Annotated[Path, Written("DIR", "the download", ours=is_download)],
    modalities: Annotated[str, typer.Option(help="comma list of those that are wanted")] = "",
    settings: Settings = "{}",
    log: Log = None,
) -> None:
    """Download a study of cBioPortal or a cohort of UCSC Xena into a folder."""
    from cch_omics.data.download import download

    download(source, output, sections("download", settings).download, comma_list(modalities))


@command
def simulate(
    name: Annotated[str, typer.Argument(help="what follows simulated: in a sheet, such as complementary or survival")],
    output: CohortOutput,
    seed: Seed = 0,
    log: Log = None,
) -> None:
    """Write a simulated cohort with known mutual information as MuData."""
    from cch_omics.data.simulate import write_simulated

    write_simulated(name, output, seed=seed)


@command
def pool(
    folders: Annotated[list[Path], file("DIR", "results of a cohort and target; may be repeated")],
    scorecard: Annotated[Path, Written("TSV", "how well the criteria foretold the gains")],
    output: PageOutput,
    multiqc: Annotated[Path, Written("TSV", "the verdicts, for a page of MultiQC")],
    unfinished: Annotated[list[str] | None, typer.Option(help="what to say of a missing cohort")] = None,
    settings: Settings = "{}",
    log: Log = None,
) -> None:
    """Write the scorecard, the page and the verdicts of all cohorts together."""
    import pandas as pd

    from cch_omics.evaluation.gains import concatenated
    from cch_omics.evaluation.scorecard import scorecard as score
    from cch_omics.report import write_multiqc, write_pooled_report
    from cch_omics.runtime.formats import read_table, write_table

    criteria, advised = (
        concatenated([read_table(folder / "intermediate" / f"{name}.tsv", columns) for folder in folders], columns)
        for name, columns in (("criteria", CRITERIA_COLUMNS), ("advised", ADVISED_COLUMNS))
    )
    cards = [score(criteria, advised, pooled=pooled) for pooled in (True, False)]
    card = pd.concat(cards, ignore_index=True)
    write_table(card, scorecard)
    write_multiqc(folders, multiqc)
    config = sections("pool", settings).report
    write_pooled_report(folders, output, config, scorecard=card, unfinished=unfinished or [])

"""The one description of the configuration and of the cohort sheet.

The JSON schemas in `workflow/schemas` are generated from these models (`cch schemas`); every default is stated here
once. Snakemake's own process imports this folder: nothing heavy.
"""

from typing import Any

from cch_omics.config.base import Section
from cch_omics.config.sections import (
    BaselinesConfig,
    Config,
    CriterionConfig,
    DistillationConfig,
    DownloadConfig,
    EncoderConfig,
    InformationConfig,
    IngestConfig,
    ReportConfig,
    SplitsConfig,
    load_config,
    section,
)
from cch_omics.config.sheet import (
    NAME_PATTERN,
    SHEET_COLUMNS,
    SheetRow,
    check_modality,
    check_transform,
    comma_cell,
    comma_list,
    make_row,
    read_sheet,
    scales_of_row,
    target_cell,
    teachers_of_row,
)

__all__ = [
    "NAME_PATTERN",
    "SHEET_COLUMNS",
    "BaselinesConfig",
    "Config",
    "CriterionConfig",
    "DistillationConfig",
    "DownloadConfig",
    "EncoderConfig",
    "InformationConfig",
    "IngestConfig",
    "ReportConfig",
    "Section",
    "SheetRow",
    "SplitsConfig",
    "check_modality",
    "check_transform",
    "comma_cell",
    "comma_list",
    "load_config",
    "make_row",
    "read_sheet",
    "scales_of_row",
    "schemas",
    "section",
    "target_cell",
    "teachers_of_row",
]


def schemas() -> dict[str, dict[str, Any]]:
    """JSON schemas of the configuration and of a sheet row, by the name of their file in `workflow/schemas`."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        "config.schema.json": dialect | Config.model_json_schema(),
        "cohorts.schema.json": dialect | SheetRow.model_json_schema(),
    }

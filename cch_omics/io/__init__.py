"""Reading cohorts and writing results."""

from cch_omics.io.files import atomic, read_json, read_table, write_json, write_table

__all__ = ["atomic", "read_json", "read_table", "write_json", "write_table"]

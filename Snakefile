# `snakemake` at the top of the repository finds this file. An included file sets no default target, so it is named here.
include: "workflow/Snakefile"


workflow.default_target = "all"

"""Two small cohorts: classes, and a number with a teacher of two modalities."""

SHEET = [
    "cohort\tsource\ttarget\ttask\tmodalities\tteachers",
    "classes\tsimulated:misleading\tsubtype\t\t\t",
    "numbers\tsimulated:number\tscore\tregression\trna,cnv\trna;rna+cnv",
]
CONFIG = {
    "cohorts": "small.tsv",
    "splits": {"repeats": 1, "folds": 3, "inner_folds": 3},
    "encoder": {"units": 6, "components": 16, "max_epochs": 30},
    "information": {"dimension": 3, "subsamples": 5, "simulations": 8},
    "report": {"title": "Two simulated cohorts"},
}

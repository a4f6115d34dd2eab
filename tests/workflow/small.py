"""Two small cohorts: classes, validated on other patients, and a number with a teacher of two modalities."""

SHEET = [
    "cohort\tsource\ttarget\ttask\tmodalities\tteachers\tvalidate",
    "classes\tsimulated:misleading\tsubtype\t\t\t\tsimulated:unrelated",
    "numbers\tsimulated:number\tscore\tregression\trna,cnv\trna;rna+cnv\t",
]
CONFIG = {
    "cohorts": "small.tsv",
    "splits": {"repeats": 1, "folds": 3, "inner_folds": 3},
    "encoder": {"units": 6, "components": 16, "max_epochs": 30},
    "information": {"dimension": 3, "subsamples": 5, "simulations": 8},
    "report": {"title": "Two simulated cohorts"},
}

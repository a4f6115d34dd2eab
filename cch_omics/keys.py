"""Names that appear in files: table columns and the quantities in them.

They are spelled here only.
"""

# information.tsv
QUANTITIES = ("teacher_student", "student_label", "teacher_label")
INFORMATION_COLUMNS = (
    "teacher",
    "student",
    "quantity",
    "estimator",
    "estimate",
    "se",
    "ci_low",
    "ci_high",
    "n",
    "dim",
    "unit",
)

# verdicts.tsv
VERDICT_COLUMNS = (
    "teacher",
    "student",
    "estimator",
    "mi_teacher_student",
    "mi_teacher_student_se",
    "mi_student_label",
    "mi_teacher_label",
    "gap",
    "gap_se",
    "advantage",
    "log_loss_advantage",
    "log_loss_advantage_se",
    "log_loss_benefit",
    "log_loss_benefit_se",
    "pilot_gain",
    "pilot_gain_se",
    "p_gap_positive",
    "p_advantage_positive",
    "p_benefit_positive",
    "p_gain_positive",
    "cross_check_estimator",
    "cross_check_gap",
    "cross_check_gap_se",
    "cross_check_gap_at_zero",
    "cross_check_gap_twin_sd",
    "cross_check_p_gap_positive",
    "gap_at_zero",
    "gap_twin_sd",
    "bracket_low",
    "bracket_high",
    "twin_bias",
    "twin_coverage",
    "twin_sign_errors",
    "flags",
    "cch_verdict",
    "verdict",
    "reason",
)
# Flags of a gap that changes its sign, and with what.
DRIFTS = {
    "drift_samples": "the number of samples",
    "drift_neighbours": "the number of neighbours",
    "drift_dimension": "the number of components",
}
DISTIL = "distil"
DO_NOT_DISTIL = "do_not_distil"
UNDECIDED = "undecided"
VERDICTS = (DISTIL, DO_NOT_DISTIL, UNDECIDED)

# teachers.tsv
TEACHER_COLUMNS = ("student", "teacher", "verdict", "p_gap_positive")

# gains.tsv
CONTROLS = ("none", "self", "shuffled")
GAIN_COLUMNS = (
    "teacher",
    "student",
    "control",
    "repeat",
    "fold",
    "metric",
    "baseline",
    "distilled",
    "gain",
    "n_test",
    "lambda",
    "temperature",
)

# references.tsv
REFERENCE_COLUMNS = (
    "modality",
    "reference",
    "repeat",
    "fold",
    "metric",
    "value",
    "n_test",
)

# scorecard.tsv
SCORECARD_COLUMNS = (
    "cohort",
    "target",
    "criterion",
    "n_pairs",
    "n_harmed",
    "n_gained",
    "auroc_harmed",
    "auroc_gained",
    "spearman",
    "sign_accuracy",
    "abstention",
    "regret",
)

"""Names that appear in files: table columns and the quantities in them.

They are spelled here only.
"""

# information.tsv
INFORMATION_COLUMNS = (
    "teacher",
    "student",
    # `teacher_student`, `student_label`, `teacher_label`.
    "quantity",
    # What of a view, but for the student of `teacher_student`: its `representation` or its `output`.
    "of",
    "estimator",
    "estimate",
    "se",
    "ci_low",
    "ci_high",
    "n",
    "dim",
    "unit",
)

# What names a row of evidence.tsv: a split (-1, -1 is the full cohort), a pair and a recipe.
SPLIT_COLUMNS = ("repeat", "fold")
PAIR_COLUMNS = ("teacher", "student", "recipe")

# verdicts.tsv
VERDICT_COLUMNS = (
    *PAIR_COLUMNS,
    "mi_teacher_student",
    "mi_student_label",
    "gap",
    "gap_se",
    "p_gap_positive",
    "pilot_gain",
    "pilot_gain_se",
    "p_gain_positive",
    "cch_verdict",
    "verdict",
    "reason",
)
DISTIL = "distil"
DO_NOT_DISTIL = "do_not_distil"
UNDECIDED = "undecided"
VERDICTS = (DISTIL, DO_NOT_DISTIL, UNDECIDED)

# teachers.tsv
TEACHER_COLUMNS = ("student", "teacher", "recipe", "rule", "verdict", "p_gain_positive", "p_gap_positive")

# gains.tsv
CONTROLS = ("none", "self", "shuffled")
GAIN_COLUMNS = (
    *PAIR_COLUMNS,
    "control",
    *SPLIT_COLUMNS,
    "metric",
    "baseline",
    "distilled",
    "gain",
    "n_test",
)

# references.tsv
REFERENCE_COLUMNS = ("student", "baseline", *SPLIT_COLUMNS, "metric", "value", "n_test")

# intermediate/summary.tsv: mean gains over splits; intermediate/performance.tsv: mean scores of models.
SUMMARY_COLUMNS = (*PAIR_COLUMNS, "control", "metric", "gain", "ci_low", "ci_high", "n_splits")
PERFORMANCE_COLUMNS = ("student", "model", "metric", "mean", "ci_low", "ci_high", "n_splits")
# intermediate/comparisons.tsv: the primary metric of a student minus that of a baseline on the same test samples.
COMPARISON_COLUMNS = ("student", "model", "baseline", "difference", "ci_low", "ci_high")

# intermediate/members.tsv: the weight of each member in the model of the full cohort.
MEMBER_COLUMNS = ("student", "model", "member", "weight")

# intermediate/predictions.tsv: of students that may be delivered, before the columns of the task.
PREDICTION_COLUMNS = ("student", "model", *SPLIT_COLUMNS, "sample")

# students/STUDENT/features.tsv, the largest weight first.
WEIGHT_TAUGHT, WEIGHT_ALONE = "weight_taught", "weight_alone"
FEATURE_COLUMNS = ("feature", "class", WEIGHT_TAUGHT, WEIGHT_ALONE, "change")

# validation.tsv: metrics of a model on other patients; less those of another one where `minus` names it.
VALIDATION_COLUMNS = ("student", "model", "minus", "metric", "value", "se", "ci_low", "ci_high", "n_patients")
# intermediate/validation_features.tsv; intermediate/validation_predictions.tsv, before the columns of the task.
SHIFT_COLUMNS = ("student", "feature", "measured", "training_mean", "training_sd", "mean", "shift")
VALIDATED_COLUMNS = ("student", "model", "sample")

# intermediate/criteria.tsv: score and decision of each criterion for each pair, beside the realised gain.
CRITERIA_COLUMNS = ("cohort", "target", "metric", "criterion", *PAIR_COLUMNS, "score", "decision", "gain")

# intermediate/advised.tsv: the gain of following a criterion, over the outer training sets.
ADVISED_INTERVAL = ("advised_gain", "ci_low", "ci_high", "n_splits")
ADVISED_COLUMNS = ("cohort", "target", "metric", "criterion", "student", "taught", *ADVISED_INTERVAL)

# scorecard.tsv
SCORECARD_COLUMNS = (
    "cohort",
    "target",
    "metric",
    "criterion",
    "n_pairs",
    "spearman",
    "sign_accuracy",
    "abstention",
    "advised_gain",
)

# Scales of tables, in the sheet and in records of students; what they are is in `data.working_scale`.
SCALE_NAMES = ("counts", "unlogged", "beta", "fractions", "integers", "continuous")

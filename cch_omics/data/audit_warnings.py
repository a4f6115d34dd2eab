"""The sentences of an audit: what its reader should look at."""

from typing import Any

from cch_omics.data.scale import scale_warning
from cch_omics.errors import some

# Fraction of missing values of a modality from which it is reported.
SPARSE = 0.2
# Times the share of labels that was asked for, from which that of a stratum is no matter of rounding.
OVER_BUDGET = 1.2
# Expected patients of a stratum in an inner fold, below which it is reported.
FEWEST_IN_FOLD = 2


def audit_warnings(report: dict[str, Any]) -> list[str]:
    """Say what is odd in an audit, of the keys of `cch_omics.data.audit.audit`."""
    said: list[str] = [each["reason"] for each in report["left_out"]]
    join, total = report["join"], report["samples"]
    if (count := join["unlabelled_samples"]) > 0:
        said.append(f"{count} of {total} samples have no label: they can carry soft targets only.")
    budget = report["label_budget"]
    raised = {name: share for name, share in budget["strata"].items() if share > OVER_BUDGET * budget["asked"]}
    if raised:
        listed = ", ".join(f"{share:.0%} of {name!r}" for name, share in raised.items())
        said.append(
            f"label_budget asks for {budget['asked']:.1%} of the labels. The folds need some of every stratum, "
            f"so training may use {listed}: {budget['used']:.1%} in all."
        )
    if report["values_treated_as_missing"]:
        listed = ", ".join(f"{value!r} ({count})" for value, count in report["values_treated_as_missing"].items())
        said.append(f"Values of {report['target']} that were treated as missing: {listed}.")
    if join["clinical"]["in_no_table"]:
        count = join["clinical"]["in_no_table"]
        said.append(f"{count} ids with clinical data have none of the modalities that are used and were left out.")
    for name, table in join["tables"].items():
        said += [f"{name}: {count} rows left out: {reason}." for reason, count in table["left_out"].items()]
        features = table["features_left_out"]
        said += [f"{name}: {count} features left out: {reason}." for reason, count in features.items()]
        if table["not_in_clinical"]:
            said.append(f"{name}: {table['not_in_clinical']} samples are not in the clinical table.")
        if table["turned"]:
            said.append(f"{name}: the table had samples in its columns and was turned.")
    for name, modality in report["modalities"].items():
        if unfit := scale_warning(name, modality["scale"]):
            said.append(f"{name}: {unfit}")
        if modality["constant_features"]:
            said.append(f"{name}: {modality['constant_features']} features are constant.")
        if modality["missing_fraction"] > SPARSE:
            said.append(f"{name}: {modality['missing_fraction']:.0%} of its values are missing.")
    if count := join["patients_with_several_samples"]:
        said.append(f"{count} patients have several samples: they stay together in every split.")
    if patients := join["patients_with_different_labels"]:
        said.append(
            f"{len(patients)} patients have samples of which {report['target']} differs, such as {some(patients, 3)}: "
            "is one of them wrong, or do labels belong to samples?"
        )
    for name, pairs in report["duplicates"].items():
        if pairs:
            listed = "; ".join(f"{one} and {two}" for one, two in pairs[:3])
            said.append(
                f"{name}: {len(pairs)} pairs of samples of different patients have the same values ({listed}): "
                "one patient under two ids would be in training and test."
            )
    for name, counts in report["folds"]["per_inner_fold"].items():
        few = [f"{stratum!r} ({count:.1f})" for stratum, count in counts.items() if 0 < count < FEWEST_IN_FOLD]
        if few:
            said.append(
                f"{name}: fewer than {FEWEST_IN_FOLD} labelled patients in an inner fold on average have "
                f"{report['target']} {', '.join(few)}. Estimates of them are noisy; use fewer folds, or merge classes."
            )
    for name, leak in report["leakage"].items():
        if leak["defines_target"]:
            said.append(f"{name}: the target was defined from it, so its own accuracy is optimistic.")
        if leak["named_like_target"]:
            said.append(
                f"{name}: features called like the target {report['target']}: {some(leak['named_like_target'], 3)}. If "
                "they are the target, take them out."
            )
        if leak["flagged"]:
            tells = f" (for {leak['stratum']!r})" if leak["stratum"] else ""
            said.append(
                f"{name}: the single feature {leak['feature']} predicts {report['target']}{tells}, {leak['measure']} "
                f"{leak['value']:.3f} on held-out patients: a leak of the label, or what defines it."
            )
    said += report["at_sites"]
    site = report["site_confounding"]
    if site is not None and site["flagged"]:
        said.append(
            f"Tissue source site alone predicts {report['target']}, {site['measure']} {site['value']:.2f} (by chance "
            f"{site['chance']:.2f}, p {site['p_value']:.3f}): consider splits by site."
        )
    return said

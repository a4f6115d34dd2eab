"""The audit of a cohort, as tables. Keys are those of `cch_omics.data.audit.audit`."""

from collections.abc import Mapping
from typing import Any

from cch_omics.report.tables import Column, Row, Table

FILE = "audit.json"


def audit_tables(audit: Mapping[str, Any]) -> list[Table]:
    """Tables of counts, of how tables were joined, and of the checks."""
    made = [_modalities(audit), _pairs(audit), _join(audit["join"]), _leakage(audit["leakage"])]
    if audit["site_confounding"]:
        made.append(_site(audit["site_confounding"]))
    return made


def data_sources(audit: Mapping[str, Any]) -> list[str]:
    """Where the data came from and under which licence, as far as the source said so."""
    origin = [f"{key.replace('_', ' ').capitalize()}: {value}" for key, value in audit["origin"].items() if value]
    return [f"Read from {audit['source']}.", *origin]


def _modalities(audit: Mapping[str, Any]) -> Table:
    """One row per modality, one for samples that have all, one for all samples; the strata are columns."""
    entries = [*audit["modalities"].items(), ("with every modality", audit["complete"]), ("all samples", audit)]
    heads = {"samples": "Samples", "labelled": "Labelled", "features": "Features", "constant_features": "Constant"}
    rows = []
    for name, entry in entries:
        missing, strata = entry.get("missing_fraction"), entry.get("strata", {})
        rows.append(
            Row(
                (
                    name,
                    *(_count(entry.get(key)) for key in heads),
                    "–" if missing is None else f"{100 * missing:.1f}%",
                    _scale(entry["scale"]) if "scale" in entry else "–",
                    *(_count(strata.get(stratum)) for stratum in audit["strata"]),
                )
            )
        )
    columns = (
        Column("Modality"),
        *(Column(name, number=True) for name in (*heads.values(), "Values missing")),
        Column("Scale", long=True),
        *(Column(name, number=True) for name in audit["strata"]),
    )
    return Table("Samples, features and labels of each modality", columns, rows, FILE)


def _scale(scale: Mapping[str, Any]) -> str:
    """How the values were read, who said so, and what models learn from."""
    by = "as the sheet says" if scale["asked"] else "as told from the values"
    return f"{scale['name']}, {by}; {scale['made'] or 'used as they are'}"


def _pairs(audit: Mapping[str, Any]) -> Table:
    rows = [
        Row((name, *(f"{_count(both['samples'])} ({_count(both['labelled'])})" for both in others.values())))
        for name, others in audit["pairs"].items()
    ]
    columns = (Column("Modality"), *(Column(name, number=True) for name in audit["pairs"]))
    return Table("Samples that have both modalities (labelled among them)", columns, rows, FILE)


def _join(join: Mapping[str, Any]) -> Table:
    rows = []
    for name, entry in join["tables"].items():
        out, features = (
            "; ".join(f"{count}: {reason}" for reason, count in entry[key].items()) or "none"
            for key in ("left_out", "features_left_out")
        )
        counts = (_count(entry[key]) for key in ("ids", "in_clinical", "not_in_clinical"))
        rows.append(Row((name, *counts, out, features, "yes" if entry["turned"] else "no")))
    columns = (
        Column("Modality"),
        Column("Rows read", number=True),
        Column("In clinical table", number=True),
        Column("Not in it", number=True),
        Column("Rows left out", long=True),
        Column("Features left out", long=True),
        Column("Turned"),
    )
    return Table(f"How the tables were joined, by {join['level']} id", columns, rows, FILE)


def _leakage(leakage: Mapping[str, Any]) -> Table:
    rows = [
        Row(
            (
                name,
                entry["feature"] or "–",
                entry["stratum"] or "–",
                _measured(entry),
                "yes" if entry["flagged"] else "no",
                "yes" if entry["defines_target"] else "not declared",
            )
        )
        for name, entry in leakage.items()
    ]
    columns = (
        Column("Modality"),
        Column("Best single feature"),
        Column("Tells apart"),
        Column("On held-out patients", number=True),
        Column("Suspicious"),
        Column("Target defined from it"),
    )
    return Table("Label leakage: does one feature give the label away?", columns, rows, FILE)


def _site(site: Mapping[str, Any]) -> Table:
    cells = (
        _count(site["sites"]),
        _count(site["samples"]),
        _measured(site),
        f"{site['chance']:.3f}",
        f"{site['p_value']:.3f}",
        "yes" if site["flagged"] else "no",
    )
    heads = ("Sites", "Patients", "What sites predict", "Chance", "P")
    columns = (*(Column(head, number=True) for head in heads), Column("Suspicious"))
    return Table("Site confounding: does the tissue source site alone predict the label?", columns, [Row(cells)], FILE)


def _measured(entry: Mapping[str, Any]) -> str:
    """A value with the name of what it is: "AUROC 0.970"."""
    return "–" if entry["value"] is None else f"{entry['measure']} {entry['value']:.3f}"


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"

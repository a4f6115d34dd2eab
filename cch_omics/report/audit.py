"""The audit of a cohort, as tables. Keys are those of `cch_omics.data.audit.audit`; what an audit lacks is left out."""

from collections.abc import Mapping
from typing import Any

from cch_omics.config import ReportConfig
from cch_omics.report.tables import Column, Row, Table, capped


def audit_warnings(audit: Mapping[str, Any]) -> list[str]:
    """Sentences of the audit."""
    return [str(warning) for warning in audit.get("warnings") or ()]


def audit_tables(audit: Mapping[str, Any], settings: ReportConfig) -> list[Table]:
    """Tables of counts, of how tables were joined, and of the checks."""
    made = [_counts(audit), _modalities(audit), _pairs(audit), _join(audit), _leakage(audit), _site(audit)]
    return [
        capped(table.caption, table.columns, table.rows, settings, "audit.json")
        for table in made
        if table is not None and table.rows
    ]


def data_sources(audit: Mapping[str, Any]) -> list[str]:
    """Where the data came from and under which licence, as far as the source said so."""
    said = [
        f"{str(key).replace('_', ' ').capitalize()}: {value}"
        for key, value in _mapping(audit, "origin").items()
        if value
    ]
    if audit.get("source"):
        said.insert(0, f"Read from {audit['source']}.")
    return said


def _counts(audit: Mapping[str, Any]) -> Table:
    shown = [
        ("Patients", audit.get("patients")),
        ("Samples", audit.get("samples")),
        ("Labelled samples", audit.get("labelled")),
        ("Samples with every omics", _mapping(audit, "complete").get("samples")),
        ("Of these labelled", _mapping(audit, "complete").get("labelled")),
    ]
    rows = [Row((name, _count(value))) for name, value in shown if value is not None]
    return Table("Samples", (Column("What"), Column("Number", number=True)), rows)


def _modalities(audit: Mapping[str, Any]) -> Table:
    """One row per omics and one for all samples; the strata are columns."""
    strata = list(_mapping(audit, "strata"))
    every = {"samples": audit.get("samples"), "labelled": audit.get("labelled"), "strata": _mapping(audit, "strata")}
    rows = []
    for name, entry in [*_mapping(audit, "modalities").items(), ("all samples", every)]:
        missing = entry.get("missing_fraction")
        rows.append(
            Row(
                (
                    str(name),
                    _count(entry.get("samples")),
                    _count(entry.get("labelled")),
                    _count(entry.get("features")),
                    _count(entry.get("constant_features")),
                    "–" if missing is None else f"{100 * missing:.1f}%",
                    *(_count(_mapping(entry, "strata").get(name)) for name in strata),
                )
            )
        )
    heads = ("Samples", "Labelled", "Features", "Constant", "Values missing", *strata)
    columns = (Column("Omics"), *(Column(str(head), number=True) for head in heads))
    return Table("Samples, features and labels of each omics", columns, rows if len(rows) > 1 else ())


def _pairs(audit: Mapping[str, Any]) -> Table:
    pairs = _mapping(audit, "pairs")
    names = [str(name) for name in pairs]
    rows = [Row((str(name), *(_overlap(_mapping(_mapping(pairs, name), other)) for other in pairs))) for name in pairs]
    columns = (Column("Omics"), *(Column(name, number=True) for name in names))
    return Table("Samples that have both omics (labelled among them)", columns, rows if len(rows) > 1 else ())


def _overlap(entry: Mapping[str, Any]) -> str:
    return f"{_count(entry.get('samples'))} ({_count(entry.get('labelled'))})" if entry else "–"


def _join(audit: Mapping[str, Any]) -> Table:
    rows = []
    for name, entry in _mapping(_mapping(audit, "join"), "tables").items():
        out, features = (
            "; ".join(f"{count}: {reason}" for reason, count in _mapping(entry, key).items())
            for key in ("left_out", "features_left_out")
        )
        cells = (_count(entry.get("ids")), _count(entry.get("in_clinical")), _count(entry.get("not_in_clinical")))
        turned = "yes" if entry.get("turned") else "no"
        rows.append(Row((str(name), *cells, out or "none", features or "none", turned)))
    columns = (
        Column("Omics"),
        Column("Rows read", number=True),
        Column("In clinical table", number=True),
        Column("Not in it", number=True),
        Column("Rows left out", long=True),
        Column("Features left out", long=True),
        Column("Turned"),
    )
    level = _mapping(audit, "join").get("level")
    return Table("How the tables were joined" + (f", by {level} id" if level else ""), columns, rows)


def _leakage(audit: Mapping[str, Any]) -> Table:
    rows = []
    for name, entry in _mapping(audit, "leakage").items():
        rows.append(
            Row(
                (
                    str(name),
                    str(entry.get("feature") or "–"),
                    str(entry.get("stratum") or "–"),
                    _measured(entry),
                    "yes" if entry.get("flagged") else "no",
                    "yes" if entry.get("defines_target") else "not declared",
                )
            )
        )
    columns = (
        Column("Omics"),
        Column("Best single feature"),
        Column("Tells apart"),
        Column("On held-out patients", number=True),
        Column("Suspicious"),
        Column("Target defined from it"),
    )
    return Table("Label leakage: does one feature give the label away?", columns, rows)


def _site(audit: Mapping[str, Any]) -> Table | None:
    site = _mapping(audit, "site_confounding")
    if not site:
        return None
    cells = (
        _count(site.get("sites")),
        _count(site.get("samples")),
        _measured(site),
        *("–" if site.get(key) is None else f"{site[key]:.3f}" for key in ("chance", "p_value")),
        "yes" if site.get("flagged") else "no",
    )
    heads = ("Sites", "Patients", "What sites predict", "Chance", "P")
    columns = (*(Column(head, number=True) for head in heads), Column("Suspicious"))
    return Table("Site confounding: does the tissue source site alone predict the label?", columns, (Row(cells),))


def _measured(entry: Mapping[str, Any]) -> str:
    """A value with the name of what it is: "AUROC 0.970"."""
    value = entry.get("value")
    return "–" if value is None else f"{entry.get('measure') or ''} {value:.3f}".strip()


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Value of a key if it is a mapping, else nothing."""
    value = content.get(key)
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)

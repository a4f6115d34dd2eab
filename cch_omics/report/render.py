"""From content to a page: the templates escape all that is not marked as finished."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import cch_omics
from cch_omics.config import ReportConfig
from cch_omics.report.figures import Panel
from cch_omics.report.style import VERDICT_SYMBOLS
from cch_omics.runtime.files import atomic
from cch_omics.vocabulary import VERDICTS


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("cch_omics.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def drawn(svg: str) -> Markup:
    """Mark a figure as finished: matplotlib has escaped what it wrote into it."""
    return Markup(svg)


def panels(given: list[Panel]) -> list[Mapping[str, Any]]:
    """Panels with their figures marked as finished; headings and captions are escaped like any text."""
    return [{"name": panel.name, "svg": drawn(panel.svg), "caption": panel.caption} for panel in given]


def render(template: str, settings: ReportConfig, date: str, **content: Any) -> str:
    """Fill a template."""
    environment = _environment()
    return environment.get_template(template).render(
        title=settings.title,
        css=Markup(environment.get_template("style.css").render()),
        date=date,
        version=cch_omics.__version__,
        symbols=VERDICT_SYMBOLS,
        verdict_words=VERDICTS,
        **content,
    )


def write(page: str, output: Path) -> None:
    """Write a page, whole or not at all."""
    with atomic(output) as draft:
        draft.write_text(page, encoding="utf-8")

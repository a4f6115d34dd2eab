"""From content to a page: what is not marked as finished is text, and nothing acts but the script of the templates."""

import importlib.metadata
import platform
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import cch_omics
from cch_omics.config import ReportConfig
from cch_omics.errors import visible
from cch_omics.report.style import VERDICT_SYMBOLS
from cch_omics.runtime.files import atomic
from cch_omics.vocabulary import VERDICTS

# What computes the results.
PACKAGES = ("numpy", "scipy", "torch", "scikit-learn", "pandas", "anndata", "mudata")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("cch_omics.report"),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalize(value: Any) -> Any:
    """Text as the reader shall see it; finished parts stay as they are."""
    return visible(value, keep="\n") if type(value) is str else value


def render(template: str, settings: ReportConfig, **content: Any) -> str:
    """Fill a template."""
    environment = _environment()
    script = environment.get_template("page.js").render()
    versions = [f"{package} {importlib.metadata.version(package)}" for package in PACKAGES]
    return environment.get_template(template).render(
        title=settings.title,
        max_rows=settings.max_rows,
        # The only script that the page may run.
        script=Markup(script),
        script_hash=f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}",
        css=Markup(environment.get_template("style.css").render()),
        versions=", ".join([f"cch_omics {cch_omics.__version__}", *versions, f"Python {platform.python_version()}"]),
        symbols=VERDICT_SYMBOLS,
        verdict_words=VERDICTS,
        **content,
    )


def write(page: str, output: Path) -> None:
    """Write a page, whole or not at all."""
    with atomic(output) as draft:
        draft.write_text(page, encoding="utf-8")

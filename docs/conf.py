"""The site: `make docs` builds it into docs/_build/html."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import made

import cch_omics

project = "cch_omics"
author = "The cch_omics developers"
copyright = f"2025-2026, {author}"
version = release = cch_omics.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc", "sphinx_copybutton"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "cch_omics"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"source_directory": "docs/"}
html_show_sourcelink = False

# Single backticks are code, in Markdown and in docstrings.
default_role = "code"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
# The tutorial runs when its cells change; `make clean` forgets what it printed.
nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_timeout = 1800
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_member_order = "bysource"
# Types stand in the signature, a parameter a line where they are many; what they mean, in the list below it.
autodoc_typehints_format = "short"
maximum_signature_line_length = 88
numpydoc_show_class_members = False
# Parameters as in the signature, each described; what is returned; an example.
numpydoc_validation_checks = {"GL08", "SS01", "PR01", "PR02", "PR07", "RT01", "EX01"}


def setup(app: object) -> None:
    """Make the pages that come from the code, and let links to other files of the repository lead to pages."""
    made.write_pages()
    app.connect("source-read", made.rewrite_source)

"""A cohort of what is said and heard in videos: what is written about it is true of it."""

import html
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cch_omics.cli import main

pytestmark = pytest.mark.usefixtures("restored_logging")

SPLITS = {"splits": {"repeats": 1, "folds": 2, "inner_folds": 3}}
SETTINGS = {
    "encoder": {"units": 2, "components": 4, "max_epochs": 5},
    "information": {"dimension": 2, "subsamples": 2, "simulations": 8},
    "baselines": {"boosting": False},
}
REPORT = {"report": {"title": "Text and audio"}}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """From the tables of 90 utterances of 30 videos to the page."""
    random = np.random.default_rng(1)
    ids = pd.Index([f"video{n // 3}_{n % 3}" for n in range(90)], name="sample")
    label = random.integers(0, 2, 90)
    tables = tmp_path / "tables"
    tables.mkdir()
    for name, signal in (("text", 2.0), ("audio", 1.0)):
        values = random.normal(size=(90, 5)) + signal * label[:, None]
        # Hand-made features differ in unit.
        values[:, 0] = 1e3 + 300 * values[:, 0] if name == "audio" else values[:, 0]
        pd.DataFrame(values, index=ids, columns=[f"{name}{j}" for j in range(5)]).to_csv(tables / f"{name}.csv")
    clinical = pd.DataFrame({"sentiment": np.where(label, "positive", "negative")}, index=ids)
    clinical.assign(video=[name.split("_")[0] for name in ids]).to_csv(tables / "clinical.csv")
    row = {"cohort": "talk", "source": str(tables), "target": "sentiment", "group": "video"}
    folder = tmp_path / "results" / "talk" / "sentiment"
    splits, settings, report = (f"--settings={json.dumps(each)}" for each in (SPLITS, SETTINGS, REPORT))
    files = [f"--{name}={folder}/intermediate/{name}.{kind}" for name, kind in (("cohort", "h5mu"), ("splits", "npz"))]
    audit = f"--audit={folder / 'audit.json'}"
    assert main(["ingest", f"--row={json.dumps(row)}", splits, audit, *files]) == 0
    roles = [f"--{option}={name}" for option in ("views", "students") for name in ("text", "audio")]
    assert main(["analyse", f"--folder={folder}", f"--logs={tmp_path / 'logs'}", settings, *roles]) == 0
    assert main(["report", f"--folder={folder}", f"--output={folder / 'report.html'}", report]) == 0
    return folder


def test_what_is_written_of_text_and_audio_is_true_of_them(results: Path) -> None:
    page = re.sub(r"<(style|script)[\s\S]*?</\1>|<[^>]+>", " ", (results / "report.html").read_text())
    page = re.sub(r"\s+", " ", html.unescape(page))
    assert "30 patients (column video; 90 samples), 2 modalities" in page
    assert "is one of them wrong, or do labels belong to samples?" in page
    assert "Where only the unit differs, leave them" in page
    written = [page, *(path.read_text() for path in results.glob("students/**/MODEL_CARD.md"))]
    assert len(written) > 2
    for text in written:
        wrong = r"(?<!cch_)\bomics\b|\btissue(?! source site)|\btumou?r|\bcancer|\bgenes?\b|biology"
        assert not re.search(wrong, text, re.IGNORECASE)

"""The check of a GPU, where there is none: it says so, and its script runs on the CPU."""

import numpy as np
import pytest
import torch

from research.benchmarks import gpu


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so_and_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "no GPU that torch can use" in said.err and "Nothing was measured. --device cpu --small" in said.err


def test_the_script_runs_on_a_cpu_and_halves_a_batch_that_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--device", "cpu", "--small"]) == 0
    table = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == [
        "what", "encoders", "students", "information", "whole cohort", "encoders", "students", "KSG",
        "half of the memory",
    ]  # fmt: skip
    assert {row[7] for row in rows[1:]} == {"yes"}
    assert rows[-1][8] == "out of memory 1 times"
    # On one device the numbers are those of the other run; a loop sums in another order.
    assert {row[5] for row in rows[1:5]} == {"0"} and float(rows[5][5]) > 0


def test_what_differs_too_much_is_said_and_fails(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    parts = {"cohort_on_both": [gpu.Row("encoders", "CPU", 2.0, 0.5, 0.03, 0.02)], "plain_loops": []}
    parts |= {"neighbours": [], "halves": [gpu.Row("half", "all", np.nan, np.nan, np.inf, 0.02)]}
    for name, rows in parts.items():
        monkeypatch.setattr(gpu, name, lambda size, device, rows=rows: rows)
        getattr(gpu, name).__name__ = name
    assert gpu.main(["--device", "cpu"]) == 1
    table = capsys.readouterr().out
    assert "| encoders | CPU | 2 | 0.5 | 4 | 0.03 | 0.02 | **no** |  |" in table and table.count("**no**") == 2
    # What would begin too late is left out, and said.
    monkeypatch.setattr(gpu, "LATEST", -1.0)
    assert gpu.main(["--device", "cpu"]) == 0
    assert "left out: cohort_on_both, plain_loops, neighbours, halves" in capsys.readouterr().out

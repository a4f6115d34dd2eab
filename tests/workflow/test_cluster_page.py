"""The table of faults in the documentation is that of the tests."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "slurm"))

from faults import FAULTS, PAGE, page  # noqa: E402


def test_the_table_is_that_of_the_tests() -> None:
    assert PAGE.read_text() == page(PAGE.read_text()), "run: python tests/slurm/faults.py"


def test_each_fault_is_there_once_and_has_a_test() -> None:
    tests = (ROOT / "tests" / "slurm" / "test_faults.py").read_text()
    assert len({fault.test for fault in FAULTS}) == len({fault.broken for fault in FAULTS}) == len(FAULTS) >= 11
    for fault in FAULTS:
        assert f"def {fault.test}(" in tests

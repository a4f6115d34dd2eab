"""Which words and numbers stand for a missing value, and which do not; texts that look the same."""

import numpy as np
import pytest

from cch_omics.tasks.looks import difference, look_of, unusual
from cch_omics.tasks.missing import SPELLINGS, known_texts, missing_code, says_doubtful, says_missing

MISSING = [
    *("", "NA", "n/a", "NaN", "-nan", "<NA>", "NULL", "None", "none", "'--", "--", "-", ".", "...", "?", "_", "\u2013"),
    *("Not Reported", "NOT REPORTED", "not reported", "Not_Available", "[Not Available]", "(not done)", '"N/A"'),
    *("Not  Applicable", "#VALUE!", "#N/A", "#DIV/0!", "#REF!", "#NAME?", "Missing", "[Unknown]", "[Discrepancy]"),
    *(
        "n.a",
        "NotReported",
        "not-evaluable",
        "(null)",
        "\\N",
        "undefined",
        "No value",
        "#N/A!",
        "Not Allowed To Collect",
        "\u200b",
        "\ufeff",
        "\u201cNA\u201d",
        "Not\u00a0Performed",
        "1.#QNAN",
    ),
]
DOUBTFUL = ["Unknown", "Other", "others", "Indeterminate", "Equivocal", "X", "GX", "Performed but Not Available", "unk"]
DOUBTFUL += [
    "ND",
    "N/E",
    "TBD",
    "to be determined",
    "blank",
    "Missing data",
    "unknown/not reported",
    "Prefer not to say",
]
REAL = [
    *(
        "0",
        "-1",
        "+",
        "++",
        "negative",
        "no",
        "Normal",
        "NAT",
        "Nan Province",
        "Naive",
        "Basal",
        "N0",
        "M1",
        "wild type",
        "WT",
    ),
    *(
        "Nullipara",
        "Missense",
        "Her2",
        "Mother",
        "xenograft",
        "A",
        "N",
        "F",
        "0/1",
        "ref",
        "name",
        "value",
        "*",
        "\u2640",
    ),
    *("[0, 5)", "[0-5]", "(1, 2]", "T1-2", "non-smoker", "None of these", "Nona"),
]


@pytest.mark.parametrize("text", MISSING)
def test_codes_are_missing(text):
    assert says_missing(text)
    assert known_texts(["a", text]) == ["a", ""]


@pytest.mark.parametrize("text", DOUBTFUL)
def test_what_may_be_a_class_is_one_and_is_doubtful(text):
    assert says_doubtful(text) and not says_missing(text)


@pytest.mark.parametrize("text", REAL)
def test_classes_are_neither_missing_nor_doubtful(text):
    assert not says_missing(text) and not says_doubtful(text)


def test_the_spellings_of_the_parser_obey_the_rule():
    assert {"", "NA", "NaN", "'--", "[Not Available]", "<NA>", "#N/A"} <= set(SPELLINGS)
    assert all(says_missing(text) for text in SPELLINGS)


def test_a_minus_beside_a_plus_is_a_sign():
    assert known_texts(["+", "-", "?", "++"]) == ["+", "-", "", "++"]
    assert known_texts(["yes", "-", "?", "no"]) == ["yes", "", "", "no"]


def test_what_is_said_to_be_a_class_is_one():
    assert known_texts(["NA", "None", "a"], ["None", "a"]) == ["", "None", "a"]


# --- Numbers ----------------------------------------------------------------------------------------------------------

RANDOM = np.random.default_rng(0)
TABLES = {
    "z-scores": RANDOM.normal(size=(60, 40)),
    "wide": RANDOM.uniform(-20, 20, size=(60, 40)),
    "fractions": RANDOM.random((60, 40)),
    "copy numbers": RANDOM.integers(-2, 3, size=(60, 40)),
    "counts": RANDOM.negative_binomial(0.3, 0.001, size=(60, 40)),
    "mutations": (RANDOM.random((60, 40)) < 0.1),
    "one column": RANDOM.uniform(20, 90, size=(60, 1)),
    "log-normal": np.exp(2 * RANDOM.normal(size=(60, 40))),
    "heavy tails": RANDOM.standard_t(1.5, size=(400, 1)),
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("code", [-9999, -(2.0**63), -(2.0**31), 2.0**31 - 1, 1e30, 3.4028235e38])
def test_a_code_is_found_where_it_stands(table, code):
    values = TABLES[table].astype(np.float32)
    rows = [7, 20, 33]
    values[rows, 0] = code
    found = missing_code(values)
    assert found is not None
    assert (found.value, found.row, found.column, found.cells) == (np.float32(code), 7, 0, 3)
    assert (found.low, found.high) == (TABLES[table].astype(np.float32)[values != np.float32(code)].min(),
                                       TABLES[table].astype(np.float32)[values != np.float32(code)].max())  # fmt: skip


@pytest.mark.parametrize(
    ("table", "code"),
    [("z-scores", 999), ("z-scores", -99), ("one column", 999), ("one column", -999), ("copy numbers", 99),
     ("mutations", 9), ("mutations", -9), ("wide", -999), ("fractions", -99), ("counts", -1)],
)  # fmt: skip
def test_a_small_code_is_found_where_it_occurs_in_several_samples(table, code):
    values = TABLES[table].astype(np.float32)
    values[::9, 0] = code
    found = missing_code(values)
    assert found is not None and found.value == code


@pytest.mark.parametrize("table", ["z-scores", "wide", "fractions", "copy numbers", "mutations"])
def test_a_single_code_is_found_among_many_numbers(table):
    values = TABLES[table].astype(np.float32)
    values[4, 0] = -9999
    found = missing_code(values)
    assert found is not None and found.cells == 1


@pytest.mark.parametrize(("table", "code"), [("one column", 999), ("one column", -99), ("wide", -99)])
def test_a_single_code_of_nines_is_found(table, code):
    values = TABLES[table].astype(np.float32)
    values[4, 0] = code
    found = missing_code(values)
    assert found is not None and (found.value, found.cells) == (code, 1)
    values[4, 0] = code + 1
    assert missing_code(values) is None


@pytest.mark.parametrize("table", TABLES)
def test_measurements_are_no_codes(table):
    assert missing_code(TABLES[table].astype(np.float32)) is None


def test_what_is_far_for_a_reason_is_no_code():
    random = np.random.default_rng(1)
    ages = TABLES["one column"].copy()
    ages[3] = 800  # a slip of the pen, at most
    assert missing_code(ages) is None
    detection_limit = np.where(random.random((60, 40)) < 0.3, 0, random.normal(25, 0.1, size=(60, 40)))
    assert missing_code(detection_limit) is None
    floor = np.maximum(np.log2(TABLES["counts"] / 50 + 0.001), -9.97)
    assert missing_code(floor) is None
    # Neighbours on one segment of one sample are amplified alike.
    copies = random.integers(1, 4, size=(60, 40)).astype(float)
    copies[5, 10:30] = 60
    assert missing_code(copies) is None
    clipped = np.clip(3 * TABLES["z-scores"], -10, 10)
    assert missing_code(clipped) is None
    assert missing_code(np.array([[0.0] * 20 + [1.0] * 3]).T) is None
    assert missing_code(np.full((5, 2), np.nan)) is None


# --- Looks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (
            "Zo\u00eb",
            "Zoe\u0308",
            "U+00EB LATIN SMALL LETTER E WITH DIAERESIS against U+0065 LATIN SMALL LETTER E, U+0308",
        ),
        ("a b", "a\u00a0b", "U+0020 SPACE against U+00A0 NO-BREAK SPACE"),
        ("ab", "a\u200bb", "nothing against U+200B ZERO WIDTH SPACE"),
        ("a-b", "a\u2011b", "U+002D HYPHEN-MINUS against U+2011 NON-BREAKING HYPHEN"),
        ("a b", "a  b", "nothing against U+0020 SPACE"),
        ("\u2212", "-", "U+2212 MINUS SIGN against U+002D HYPHEN-MINUS"),
    ],
)
def test_texts_that_look_the_same_and_what_tells_them_apart(one, other, said):
    assert look_of(one) == look_of(other)
    assert difference(one, other).startswith(said)


def test_texts_that_look_different_are_different():
    texts = ["a", "A", "b", "ab", "a b", "a-b", "\u00e9", "e", "S1", "S01"]
    assert len({look_of(text) for text in texts}) == len(texts)
    assert unusual(["abc"]) == ""
    assert "U+0405 CYRILLIC CAPITAL LETTER DZE" in unusual(["\u0405"])

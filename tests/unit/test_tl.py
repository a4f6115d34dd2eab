import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from cohorts import make_cohort

import cch_omics
from cch_omics import keys
from cch_omics.config import CriterionConfig, DistillationConfig, EncoderConfig, InformationConfig, SplitsConfig
from cch_omics.verdict.rule import ask_pilots, decide
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.errors import InputError
from cch_omics.information.pairs import estimate_pairs
from cch_omics.data.mudata import make_mudata, read_mudata, write_mudata
from cch_omics.pilots import network_pilots
from cch_omics.splits import make_splits

ENCODER = {"units": 6, "components": 10, "max_epochs": 20}
INFORMATION = {"subsamples": 10}


@pytest.fixture
def mdata():
    cohort = make_cohort(n=120)
    modalities = {
        name: anndata.AnnData(
            modality.values,
            obs=pd.DataFrame(index=cohort.samples[modality.rows]),
            var=pd.DataFrame(index=modality.features),
        )
        for name, modality in cohort.modalities.items()
    }
    names = np.array([*cohort.classes, None], dtype=object)
    obs = pd.DataFrame({"subtype": names[cohort.labels]}, index=cohort.samples)
    return make_mudata(modalities, obs, {})


def test_verdicts_are_those_of_the_workflow(mdata):
    table = cch_omics.tl.cch(mdata, target="subtype", encoder=ENCODER, information=INFORMATION)
    assert list(table.columns) == list(keys.VERDICT_COLUMNS)
    assert len(table) == 6
    pd.testing.assert_frame_equal(mdata.uns["cch"], table)

    cohort = make_cohort(n=120)
    splits = make_splits(cohort, SplitsConfig(), seed=0)
    cpu = torch.device("cpu")
    encodings = {m: encode(cohort, splits, m, EncoderConfig(**ENCODER), seed=0, device=cpu) for m in cohort.modalities}
    pairs = estimate_pairs(cohort, splits, encodings, InformationConfig(**INFORMATION), seed=0)

    def of_whole(pairs):
        judged = decide(pairs, CriterionConfig(), target="subtype").query("repeat == -1")
        return judged[list(keys.VERDICT_COLUMNS)].reset_index(drop=True)

    networks, settings = EncoderConfig(**ENCODER), DistillationConfig()
    taught = {
        m: distil(cohort, splits, encodings, m, settings, networks, seed=0, device=cpu) for m in cohort.modalities
    }
    asked = ask_pilots(pairs, network_pilots(cohort, splits, encodings, taught))
    pd.testing.assert_frame_equal(table, of_whole(asked), rtol=1e-5)
    linear = cch_omics.tl.cch(
        mdata, target="subtype", encoder=ENCODER, information=INFORMATION, criterion={"pilot": "linear"}
    )
    pd.testing.assert_frame_equal(linear, of_whole(pairs), rtol=1e-6)
    assert (linear["pilot_gain"] != table["pilot_gain"]).any()


def test_the_table_is_written_with_the_data(mdata, tmp_path):
    table = cch_omics.tl.cch(mdata, target="subtype", encoder=ENCODER, information=INFORMATION)
    write_mudata(mdata, tmp_path / "cohort.h5mu")
    again = read_mudata(tmp_path / "cohort.h5mu").uns["cch"]
    assert list(again["verdict"]) == list(table["verdict"])
    axes = cch_omics.pl.gap_matrix(mdata)
    assert axes.get_figure() is not None


def test_an_absent_target_is_named(mdata):
    with pytest.raises(InputError, match="subtyp"):
        cch_omics.tl.cch(mdata, target="subtyp")
    assert "cch" not in mdata.uns


def test_an_unknown_setting_is_named(mdata):
    with pytest.raises(InputError, match="unit"):
        cch_omics.tl.cch(mdata, target="subtype", encoder={"unit": 3})

"""The same clips, still, out of order, or backwards."""

import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers.runs.small_evaluation import INLINE, VIEWS, run_evaluation
from vidprep.errors import HarnessError
from vidprep.harness.evaluation.probes import frame_order, probed
from vidprep.harness.evaluation.tables.predictions import read_predictions
from vidprep.load import ViewLoader
from vidprep.load.transforms import to_network_input
from vidprep.model.weights import load_network

PROBES = ("frozen", "shuffled", "reversed")


def test_worked_orders():
    assert frame_order("frozen", 8, key="a") == [4] * 8
    assert frame_order("frozen", 5, key="a") == [2] * 5
    assert frame_order("reversed", 5, key="a") == [4, 3, 2, 1, 0]


def test_shuffled_frames_are_all_there_and_follow_from_the_key():
    orders = [frame_order("shuffled", 32, key=f"validation-v{n}") for n in range(50)]
    assert all(sorted(order) == list(range(32)) for order in orders)
    assert len({tuple(order) for order in orders}) == 50
    assert orders[7] == frame_order("shuffled", 32, key="validation-v7")
    places = np.array([frame_order("shuffled", 4, key=str(n)) for n in range(2400)])
    counts = np.array([[(places[:, at] == frame).sum() for frame in range(4)] for at in range(4)])
    assert np.abs(counts - 600).max() < 6 * np.sqrt(600 * 0.75)


@pytest.mark.parametrize("probe", PROBES)
def test_frames_change_their_place_and_nothing_else(probe):
    clips = torch.arange(2 * 3 * 6 * 2 * 2, dtype=torch.float32).view(2, 3, 6, 2, 2)
    shown = probed(clips, probe, key="k")
    for at, frame in enumerate(frame_order(probe, 6, key="k")):
        assert torch.equal(shown[:, :, at], clips[:, :, frame])
    assert shown.is_contiguous(memory_format=torch.channels_last_3d)
    assert probed(clips, None, key="k") is clips


@pytest.mark.parametrize("probe", PROBES)
def test_an_evaluation_shows_the_network_the_probed_clips(probe, shards, network, evaluated, tmp_path):
    results = run_evaluation(network, shards, tmp_path / "out", probe=probe)
    assert results.probe == probe
    net, found = load_network(network), read_predictions(tmp_path / "out")
    for row, batch in enumerate(ViewLoader(shards, "validation", views=VIEWS, options=INLINE)):
        clips = to_network_input(batch)[:, :, frame_order(probe, 8, key=batch.key[0])]
        with torch.inference_mode():
            expected = net(clips).sum(0)
        np.testing.assert_allclose(found["logit_sum"][row], expected, rtol=1e-4, atol=1e-4)
    usual = np.stack(read_predictions(evaluated)["logit_sum"])
    assert np.abs(usual - np.stack(found["logit_sum"])).max() > 1e-3
    assert (tmp_path / "out/turned_into.csv").exists() == (probe == "reversed")
    with pytest.raises(HarnessError, match=rf"another evaluation, with probe = '{probe}', not None"):
        run_evaluation(network, shards, tmp_path / "out")


def test_the_table_of_a_reversal_adds_up(shards, network, tmp_path):
    run_evaluation(network, shards, tmp_path / "out", probe="reversed")
    table, found = pd.read_csv(tmp_path / "out/turned_into.csv"), read_predictions(tmp_path / "out")
    assert table["num_videos"].sum() == len(found)
    stays = (table["stays"] * table["num_videos"]).sum()
    assert stays == pytest.approx((found["label"] == found["predicted"]).sum())

"""How many GPUs a stream of clips feeds: known counts of operations, and plain arithmetic."""

import pytest
import torch

from vidprep.harness.feeding import demands, describe_demands
from vidprep.model.resnet import i3d_resnet
from vidprep.model.summary import summarise


def test_i3d_on_the_papers_clips():
    state = torch.get_rng_state()
    found = demands(100.0, clip_len=32, crop_size=224)
    assert torch.equal(torch.get_rng_state(), state)
    names = [one.network for one in found]
    assert names == ["I3D-ResNet-50", "I3D-ResNet-18", "I3D-ResNet-18, a quarter as wide"]
    macs = sum(stage.num_macs for stage in summarise(i3d_resnet(50, 400)).stages)
    assert found[0].gflop_per_clip == pytest.approx(6 * macs / 1e9)
    assert found[0].clips_per_second == pytest.approx(0.3 * 989.4e12 / (6 * macs))
    assert found[0].num_gpus == pytest.approx(100 / found[0].clips_per_second)
    assert [one.num_gpus for one in found] == sorted((one.num_gpus for one in found), reverse=True)


def test_more_clips_and_more_of_the_peak():
    (once, *_), (twice, *_) = (demands(rate, clip_len=8, crop_size=64) for rate in (50.0, 100.0))
    (fast, *_) = demands(50.0, clip_len=8, crop_size=64, share=0.6)
    assert twice.num_gpus == pytest.approx(2 * once.num_gpus)
    assert fast.num_gpus == pytest.approx(once.num_gpus / 2)


def test_the_lines_name_what_is_assumed():
    lines = describe_demands(demands(256.0, clip_len=32, crop_size=224, share=0.25), share=0.25)
    assert lines[0].startswith("H100s that this feeds, if a training reaches 25% of 989 TFLOPS (bfloat16")
    assert "6 FLOP for each multiply-accumulate" in lines[0]
    assert len(lines) == 4
    assert "GFLOP a clip" in lines[1]


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_that_cannot_be(share):
    with pytest.raises(ValueError, match=f"share must be above 0 and at most 1, got {share}"):
        demands(1.0, clip_len=8, crop_size=64, share=share)

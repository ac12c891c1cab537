"""Effective receptive field: exact answers on nets whose gradients are known."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from vidprep.analysis.erf.files import Kept, read_arrays, write_arrays
from vidprep.analysis.erf.measure import (
    FeatureMap,
    draw_noise,
    gradient,
    measure_erf,
    middle_neuron,
)
from vidprep.analysis.erf.summary import frame_maps, slice_tx, spatial_map, summarise_erf, time_profile
from vidprep.model import i3d_resnet
from vidprep.model.receptive_field import map_shape


def ones_conv():
    conv = nn.Conv3d(3, 1, 3, padding=1, bias=False)
    nn.init.ones_(conv.weight)
    return conv


def calibrated(net, clip_shape, seed=0):
    """Set the batch norms of a fresh network to the statistics of noise, as training would."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.momentum = None
    net.train()
    with torch.no_grad():
        net.features(torch.randn(2, 3, *clip_shape, generator=torch.Generator().manual_seed(seed)))
    return net.eval()


@pytest.fixture(scope="module")
def trained_like():
    torch.manual_seed(0)
    return calibrated(i3d_resnet(50, 2, width=2), (8, 32, 32))


@pytest.fixture
def tiny(trained_like):
    return copy.deepcopy(trained_like)


def frames_seen(erf):
    return np.flatnonzero(erf.any((0, 2, 3))).tolist()


def keep_taps(net, taps):
    for module in net.modules():
        if isinstance(module, nn.Conv3d) and module.kernel_size[0] == 3:
            for tap in {0, 1, 2} - set(taps):
                module.weight.data[:, :, tap] = 0


def test_one_convolution_of_ones_is_a_box():
    erf = measure_erf(ones_conv(), (7, 9, 9), (3, 4, 4), num_draws=2)
    expected = np.zeros((3, 7, 9, 9))
    expected[:, 2:5, 3:6, 3:6] = 1
    np.testing.assert_array_equal(erf, expected)
    assert erf.dtype == np.float32


def test_centre_taps_see_one_frame(tiny):
    keep_taps(tiny, [1])
    assert frames_seen(measure_erf(FeatureMap(tiny), (32, 32, 32), (16, 0, 0), num_draws=1)) == [16]


def test_taps_of_past_and_present_do_not_look_ahead(tiny):
    keep_taps(tiny, [0, 1])
    erf = measure_erf(FeatureMap(tiny), (32, 32, 32), (16, 0, 0), num_draws=1)
    assert not erf[:, 17:].any()
    assert erf[:, 16].any() and erf[:, 15].any()


def test_17_temporal_layers_see_17_frames_to_either_side(tiny):
    erf = measure_erf(FeatureMap(tiny.double()), (48, 32, 32), (24, 0, 0), num_draws=2)
    squares = erf.astype(np.float64)
    assert frames_seen(squares) == list(range(7, 42))


def test_gradient_against_finite_differences():
    torch.manual_seed(0)
    net = FeatureMap(calibrated(i3d_resnet(18, 2, width=2), (6, 32, 32)).double())
    x = draw_noise((6, 32, 32), seed=0, draw=0, dtype=torch.float64)
    grad = gradient(net, x, (3, 0, 0))
    largest = grad.abs().flatten().topk(8).indices
    for flat in largest:
        step = torch.zeros_like(x).flatten()
        step[flat] = 1e-6
        step = step.view_as(x)
        with torch.no_grad():
            up, down = (net(x + sign * step)[0, :, 3, 0, 0].sum() for sign in (1, -1))
        assert ((up - down) / 2e-6).item() == pytest.approx(grad.flatten()[flat].item(), rel=1e-5)


def test_repeats_are_equal_to_the_bit(tiny):
    first, second = (measure_erf(FeatureMap(tiny), (8, 32, 32), (4, 0, 0), num_draws=2) for _ in range(2))
    assert first.any()
    np.testing.assert_array_equal(first, second)


def test_float32_is_float32(tiny):
    """Neither convolutions nor products are rounded to TF32, and cuDNN stays as it is."""
    seen = []

    class Looks(FeatureMap):
        def forward(self, clips):
            cudnn = torch.backends.cudnn
            seen.append((torch.backends.cuda.matmul.allow_tf32, cudnn.allow_tf32, cudnn.enabled))
            return super().forward(clips)

    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        measure_erf(Looks(tiny), (8, 32, 32), (4, 0, 0), num_draws=1)
        assert seen[-1] == (False, False, torch.backends.cudnn.enabled)
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def test_draws_are_a_function_of_seed_and_number():
    torch.manual_seed(5)
    first = draw_noise((2, 3, 4), seed=1, draw=2, dtype=torch.float32)
    torch.manual_seed(6)
    assert torch.equal(first, draw_noise((2, 3, 4), seed=1, draw=2, dtype=torch.float32))
    assert not torch.equal(first, draw_noise((2, 3, 4), seed=1, draw=3, dtype=torch.float32))
    assert not torch.equal(first, draw_noise((2, 3, 4), seed=2, draw=2, dtype=torch.float32))


def test_an_interrupted_measurement_goes_on_where_it_was(tiny, tmp_path):
    net, shape, neuron = FeatureMap(tiny), (8, 32, 32), (4, 0, 0)
    whole = measure_erf(net, shape, neuron, num_draws=3)
    seen = []

    def stop_after_two(done, total):
        seen.append(done)
        if done == 2:
            raise KeyboardInterrupt

    kept = Kept(tmp_path / "draws.npz", "this net")
    with pytest.raises(KeyboardInterrupt):
        measure_erf(net, shape, neuron, num_draws=3, kept=kept, on_draw=stop_after_two)
    resumed = measure_erf(
        net, shape, neuron, num_draws=3, kept=kept, on_draw=lambda done, _: seen.append(done)
    )
    assert seen == [1, 2, 3]
    np.testing.assert_array_equal(resumed, whole)
    assert Kept(tmp_path / "draws.npz", "another net").read(3)[1] == 0


@pytest.mark.parametrize("size", [0, 100, -100])
def test_a_damaged_file_of_draws_is_measured_anew(tiny, tmp_path, size):
    net, shape, neuron = FeatureMap(tiny), (8, 32, 32), (4, 0, 0)
    kept = Kept(tmp_path / "draws.npz", "this net")
    one = measure_erf(net, shape, neuron, num_draws=1, kept=kept)
    kept.path.write_bytes(kept.path.read_bytes()[:size])
    np.testing.assert_array_equal(measure_erf(net, shape, neuron, num_draws=1, kept=kept), one)


def test_arrays_with_a_wrong_byte_are_not_taken_up(tmp_path):
    path = tmp_path / "erf.npz"
    write_arrays(path, "this net", compress=True, erf=np.arange(1000.0))
    assert [*read_arrays(path, "this net")] == ["identity", "erf"]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    assert read_arrays(path, "this net") is None


def test_draws_of_a_longer_measurement_are_not_taken_up(tiny, tmp_path):
    net, shape, neuron = FeatureMap(tiny), (8, 32, 32), (4, 0, 0)
    kept = Kept(tmp_path / "draws.npz", "this net")
    measure_erf(net, shape, neuron, num_draws=3, kept=kept)
    one = measure_erf(net, shape, neuron, num_draws=1, kept=kept)
    np.testing.assert_array_equal(one, measure_erf(net, shape, neuron, num_draws=1))


def test_neuron_of_the_paper():
    assert middle_neuron((32, 7, 7)) == (16, 3, 3)
    with torch.device("meta"):
        net = i3d_resnet(50, 2)
    assert map_shape(net, (32, 224, 224)) == (32, 7, 7)


@pytest.mark.parametrize("temporal_stride", [False, True])
@pytest.mark.parametrize("clip_shape", [(8, 32, 32), (5, 33, 50), (1, 17, 31)])
def test_shape_of_the_map_is_that_of_what_is_computed(temporal_stride, clip_shape):
    net = i3d_resnet(18, 2, width=4, temporal_stride=temporal_stride).eval()
    with torch.no_grad():
        computed = net.features(torch.zeros(1, 3, *clip_shape)).shape[2:]
    assert map_shape(net, clip_shape) == tuple(computed)


@pytest.mark.parametrize("neuron", [(8, 0, 0), (0, 1, 0), (0, 0, -1)])
def test_neuron_outside_the_map(tiny, neuron):
    with pytest.raises(ValueError, match=r"outside the last map; it goes from 0,0,0 to 7,0,0\."):
        measure_erf(FeatureMap(tiny), (8, 32, 32), neuron)


def test_no_draws(tiny):
    with pytest.raises(ValueError, match="num_draws must be at least 1, got 0"):
        measure_erf(FeatureMap(tiny), (8, 32, 32), (4, 0, 0), num_draws=0)


def test_summary_of_a_gaussian():
    t, y, x = np.ogrid[:32, :64, :64]
    energy = np.exp(
        -((t - 15) ** 2) / (2 * 3**2) - ((y - 30) ** 2) / (2 * 4**2) - ((x - 20) ** 2) / (2 * 5**2)
    )
    erf = np.sqrt(np.stack([energy] * 3)).astype(np.float32)
    facts = summarise_erf(erf)
    assert facts["centroid"] == pytest.approx([15, 30, 20], abs=1e-2)
    assert facts["sigma_frames"] == pytest.approx(3, abs=1e-2)
    assert facts["extent_frames"] == pytest.approx([9, 21], abs=0.05)
    assert facts["sigma_pixels"] == pytest.approx([4, 5], abs=1e-2)
    # sqrt(p) > .0455 of its peak: (t - 15)^2 < 4 * 9 * ln(1/.0455), within 10.5 frames
    assert facts["frames_above"] == 21
    assert facts["pixels_above"] == pytest.approx(np.pi * 4 * 5 * 4 * np.log(1 / 0.0455), rel=0.01)
    assert sum(facts["energy_per_frame"]) == pytest.approx(1)


def test_views_of_a_point():
    erf = np.zeros((3, 4, 5, 6), np.float32)
    erf[1, 2, 3, 4] = 2
    assert time_profile(erf).tolist() == [0, 0, 1, 0]
    for view, at in ((spatial_map(erf), (3, 4)), (slice_tx(erf), (2, 4)), (frame_maps(erf), (2, 3, 4))):
        assert view[at] == view.sum() == 1


@pytest.mark.parametrize(("value", "message"), [(0, "zero everywhere"), (np.nan, "not finite")])
def test_a_field_without_a_shape(value, message):
    with pytest.raises(ValueError, match=message):
        summarise_erf(np.full((3, 2, 2, 2), value, np.float32))


@pytest.mark.slow
def test_random_network_sees_2_8_frames_around_the_paper_s_centre():
    """Wide extent of a fresh I3D-ResNet-50, an eighth as wide: sigma 2.3-3.4 frames about (16, 96, 96)."""
    torch.manual_seed(0)
    net = calibrated(i3d_resnet(50, 2, width=8), (32, 224, 224))
    facts = summarise_erf(measure_erf(FeatureMap(net), (32, 224, 224), (16, 3, 3), num_draws=3))
    assert 2.3 < facts["sigma_frames"] < 3.4
    assert facts["centroid"] == pytest.approx([16, 96, 96], abs=4)

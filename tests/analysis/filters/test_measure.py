"""Temporal filters: every answer that is known beforehand, and what must not change them."""

import numpy as np
import pytest
import torch

from tests.helpers.runs.functional_resnet import random_weights, resnet50_2d_shapes
from vidprep.analysis.filters.measure import SINGULAR, Z, count_filters, filter_table
from vidprep.analysis.filters.summary import describe, summarise_filters
from vidprep.errors import CheckpointError
from vidprep.model import i3d_resnet
from vidprep.model.weight_files import WeightFile
from vidprep.model.weights import inflate, load_weights


def weight_file(**kernels):
    tensors = {f"{name.replace('_', '.')}.weight": kernel for name, kernel in kernels.items()}
    return WeightFile("made.pth", "plain", tensors)


def random_kernel(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def separable(taps, num_out=4, num_in=3, seed=0):
    """A kernel (O, I, 3, 3, 3) that is `taps` times any spatial pattern."""
    taps = torch.tensor(taps, dtype=torch.float64).view(1, 1, 3, 1, 1)
    return taps * random_kernel(num_out, num_in, 1, 3, 3, seed=seed)


def z_of(table):
    return table[Z].to_numpy()


def assert_same_up_to_sign(z, expected, tolerance=1e-7):
    signs = np.sign(z @ np.asarray(expected)).reshape(-1, 1)
    np.testing.assert_allclose(signs * z, np.broadcast_to(expected, z.shape), atol=tolerance)


KNOWN = [
    ([1, 1, 1], (1, 0, 0)),
    ([0, 1, 0], (0.57735027, 0, 0.81649658)),
    ([1, 0, 0], (0.57735027, -0.70710678, -0.40824829)),
    ([0, 0, 1], (0.57735027, 0.70710678, -0.40824829)),
    ([-1, 0, 1], (0, 1, 0)),
    ([-1, 2, -1], (0, 0, 1)),
    ([1, 2, 1], (0.94280904, 0, 0.33333333)),
    ([1, 2, 3], (0.92582010, 0.37796447, 0)),
]


@pytest.mark.parametrize("matrix", ["filter", "pair"])
@pytest.mark.parametrize(("taps", "expected"), KNOWN)
def test_known_taps(taps, expected, matrix):
    table = filter_table(weight_file(conv1=separable(taps)), matrix)
    assert len(table) == (4 if matrix == "filter" else 12)
    assert_same_up_to_sign(z_of(table), expected)
    np.testing.assert_allclose(table["share"], 1, atol=1e-12)


def test_two_orthogonal_patterns_leave_the_stronger():
    average, first = (torch.tensor(v, dtype=torch.float64) for v in ([1, 1, 1], [-1, 0, 1]))
    patterns = torch.zeros(2, 9, dtype=torch.float64)
    patterns[0, 2] = patterns[1, 7] = 1
    rows = 3 * torch.outer(average / 3**0.5, patterns[0]) + torch.outer(first / 2**0.5, patterns[1])
    table = filter_table(weight_file(conv1=rows.view(1, 1, 3, 3, 3)))
    assert_same_up_to_sign(z_of(table), (1, 0, 0))
    np.testing.assert_allclose(table[SINGULAR].to_numpy()[0], (3, 1, 0), atol=1e-7)
    assert table["share"].item() == pytest.approx(0.9)


@pytest.fixture(scope="module")
def inflated():
    """A full-size I3D-ResNet-50 with inflated weights."""
    net = i3d_resnet(50, 4)
    file = WeightFile("2d.pth", "plain", random_weights(resnet50_2d_shapes(num_classes=4)))
    load_weights(net, file)
    return WeightFile("inflated.pth", "plain", net.state_dict())


def test_all_3840_inflated_filters_average(inflated):
    table = filter_table(inflated)
    assert len(table) == 3840
    assert table["layer"].nunique() == 17
    np.testing.assert_allclose(z_of(table), np.tile([1.0, 0, 0], (3840, 1)), atol=1e-7)


def test_all_inflated_pairs_average(inflated):
    table = filter_table(inflated, "pair")
    assert len(table) == 1_257_664
    np.testing.assert_allclose(table["z_average"], 1, atol=1e-12)
    assert table[["z_first", "z_second"]].abs().to_numpy().max() < 1e-7


def test_gaussian_kernels_are_uniform_on_each_axis():
    """Archimedes: a uniform point of the sphere has uniform coordinates. Kolmogorov-Smirnov, p = .001."""
    z = z_of(filter_table(weight_file(conv1=random_kernel(4000, 2, 3, 3, 3))))
    # z_average is the one that is never negative: uniform on [0, 1], the others on [-1, 1].
    for shares in (z[:, 0], (z[:, 1] + 1) / 2, (z[:, 2] + 1) / 2):
        ranks = np.arange(1, len(z) + 1) / len(z)
        assert np.abs(np.sort(shares) - ranks).max() < 1.95 / len(z) ** 0.5
    np.testing.assert_allclose((z**2).mean(0), 1 / 3, atol=0.02)


@pytest.mark.parametrize("matrix", ["filter", "pair"])
def test_scale_and_sign_do_not_matter(matrix):
    kernel = random_kernel(6, 5, 3, 3, 3)
    z = z_of(filter_table(weight_file(conv1=kernel), matrix))
    for factor in (-1, 1e-12, -1e9):
        other = filter_table(weight_file(conv1=kernel * factor), matrix)
        np.testing.assert_allclose(z_of(other), z, atol=1e-9)


@pytest.mark.parametrize("matrix", ["filter", "pair"])
def test_time_reversed_flips_the_first_differential_only(matrix):
    kernel = random_kernel(6, 5, 3, 3, 3)
    table = filter_table(weight_file(conv1=kernel), matrix)
    flipped = filter_table(weight_file(conv1=kernel.flip(2)), matrix)
    np.testing.assert_allclose(z_of(flipped), z_of(table) * [1, -1, 1], atol=1e-9)
    np.testing.assert_allclose(flipped["tap_centre"], -table["tap_centre"], atol=1e-12)


def test_permuted_channels_permute_the_rows():
    kernel = random_kernel(6, 5, 3, 3, 3)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    z = z_of(filter_table(weight_file(conv1=kernel)))
    np.testing.assert_allclose(z_of(filter_table(weight_file(conv1=kernel[order]))), z[order], atol=1e-9)
    inputs = kernel[:, torch.tensor([4, 0, 3, 1, 2])]
    np.testing.assert_allclose(z_of(filter_table(weight_file(conv1=inputs))), z, atol=1e-9)


@pytest.mark.parametrize("matrix", ["filter", "pair"])
def test_against_numpy_s_svd(matrix):
    kernel = random_kernel(4, 3, 3, 3, 3)
    table = filter_table(weight_file(conv1=kernel), matrix)
    axes = np.array([[1, 1, 1], [-1, 0, 1], [-1, 2, -1]]) / np.sqrt([[3], [2], [6]])
    for row in table.itertuples():
        one = kernel[row.channel] if matrix == "filter" else kernel[row.channel, row.in_channel][None]
        u, singular, _ = np.linalg.svd(one.transpose(0, 1).reshape(3, -1).numpy())
        z = np.array([row.z_average, row.z_first, row.z_second])
        assert abs(z @ (axes @ u[:, 0])) == pytest.approx(1)
        np.testing.assert_allclose([row.singular_1, row.singular_2, row.singular_3], singular)


def test_layers_stages_and_channels():
    table = filter_table(
        weight_file(conv1=random_kernel(4, 3, 3, 7, 7), layer2_0_conv2=random_kernel(2, 2, 3, 3, 3)), "pair"
    )
    assert table["layer"].cat.categories.tolist() == ["conv1", "layer2.0.conv2"]
    assert table["stage"].cat.categories.tolist() == ["conv1", "layer2"]
    last = table.iloc[-4:]
    assert last[["channel", "in_channel"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    pair = table[(table["layer"] == "conv1") & (table["channel"] == 2) & (table["in_channel"] == 1)]
    alone = filter_table(weight_file(conv1=random_kernel(4, 3, 3, 7, 7)[2:3, 1:2]))
    np.testing.assert_allclose(z_of(pair), z_of(alone))


def test_zero_filters_are_counted_and_left_out():
    kernel = separable([1, 1, 1], num_out=5)
    kernel[1] = kernel[3] = 0
    file = weight_file(conv1=kernel)
    table = filter_table(file)
    assert table["channel"].tolist() == [0, 2, 4]
    summary = summarise_filters(table, count_filters(file))
    assert summary["layers"][0]["num_zero"] == summary["stages"][0]["num_zero"] == 2
    assert (summary["all"]["num_filters"], summary["all"]["num_zero"]) == (5, 2)


def test_a_layer_of_zeros_is_still_listed():
    file = weight_file(conv1=torch.zeros(2, 3, 3, 1, 1), layer1_0_conv2=separable([1, 1, 1]))
    summary = summarise_filters(filter_table(file), count_filters(file))
    assert summary["all"]["num_zero"] == 2
    assert [layer["layer"] for layer in summary["layers"]] == ["conv1", "layer1.0.conv2"]


def test_tap_centre():
    for taps, centre in (([0, 0, 2], 1), ([1, 0, 0], -1), ([1, 5, 1], 0), ([1, 0, 3], 0.8)):
        table = filter_table(weight_file(conv1=separable(taps)))
        np.testing.assert_allclose(table["tap_centre"], centre)


def test_summary_of_known_filters():
    kernel = torch.cat([separable([1, 1, 1], 2), separable([-1, 0, 1], 1), separable([0, 1, 0], 1)])
    facts = describe(filter_table(weight_file(conv1=kernel)), 4)
    assert facts["mean_squared"] == pytest.approx(
        {"average": (2 + 1 / 3) / 4, "first": 0.25, "second": 1 / 6}
    )
    assert facts["median_angle_degrees"] == pytest.approx(54.7356 / 2, abs=1e-3)
    assert facts["near"]["0.9"] == {"average": 0.5, "first": 0.25, "second": 0}
    assert facts["near"]["0.707"] == {"average": 0.5, "first": 0.25, "second": 0.25}


def test_inflated_kernel_has_share_one():
    kernel = inflate(torch.randn(3, 2, 3, 3), 3, "repeat")
    np.testing.assert_allclose(filter_table(weight_file(conv1=kernel))["share"], 1)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"conv1.weight": torch.zeros(4, 3, 7, 7)}, "a 2D network, which has no temporal filters"),
        (
            {"conv1.weight": torch.zeros(4, 3, 1, 7, 7)},
            r"no convolution with three taps, like .*temporal_taps=1\. Pass .* three taps\.",
        ),
        (
            {"conv1.weight": torch.full((4, 3, 3, 7, 7), torch.nan)},
            "'conv1' holds weights that are not finite",
        ),
    ],
)
def test_refused(tensors, message):
    with pytest.raises(CheckpointError, match=message):
        filter_table(WeightFile("made.pth", "plain", tensors))

"""The network: its figures, its shapes, and the same function written independently."""

import pytest
import torch

from tests.helpers.runs.functional_resnet import i3d_logits, random_weights
from vidprep.model import build_model, i3d_resnet
from vidprep.model.centre_tap import cut_to_centre_tap
from vidprep.model.receptive_field import receptive_fields
from vidprep.model.summary import summarise
from vidprep.recipes.recipe import ModelStage


def meta_net(*args, **options):
    with torch.device("meta"):
        return i3d_resnet(*args, **options)


@pytest.mark.parametrize(
    ("num_classes", "num_parameters"),
    [(87, 46_339_607), (174, 46_517_870), (200, 46_571_144), (400, 46_980_944)],
)
def test_parameters_and_macs_of_the_paper(num_classes, num_parameters):
    summary = summarise(meta_net(50, num_classes))
    assert summary.num_parameters == num_parameters
    assert summary.num_conv_macs == 256_721_289_216
    assert summary.stages[-1].num_macs == 2048 * num_classes * 32


def test_parameters_sum_up():
    net = meta_net(50, 400)
    assert summarise(net).num_parameters == sum(p.numel() for p in net.parameters())


def test_macs_of_an_evaluation_view():
    assert summarise(meta_net(), size=256).num_conv_macs == 335_309_438_976


def test_stages_of_resnet_50():
    shapes = {stage.name: stage.output_shape for stage in summarise(meta_net()).stages}
    assert shapes == {
        "conv1": (64, 32, 112, 112),
        "maxpool": (64, 32, 56, 56),
        "layer1": (256, 32, 56, 56),
        "layer2": (512, 32, 28, 28),
        "layer3": (1024, 32, 14, 14),
        "layer4": (2048, 32, 7, 7),
        "fc": (400,),
    }


def test_temporal_filters_of_resnet_50():
    summary = summarise(meta_net())
    assert summary.num_temporal_layers == 17
    assert (summary.num_temporal_filters, summary.num_temporal_kernels) == (3840, 1_257_664)


def test_receptive_field_and_its_centre():
    t, y, x = summarise(meta_net()).field
    assert (t.size, y.size, x.size) == (35, 427, 427)
    assert t.interval(16) == (-1, 33)
    assert (t.centre(16), y.centre(3), x.centre(3)) == (16, 96, 96)


def test_receptive_field_is_what_gradients_reach():
    """Kernels of ones and no batch norm: the gradient is positive exactly where the field says."""
    convs = [torch.nn.Conv3d(1, 1, 3, (1, 2, 2), 1), torch.nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))]
    net = torch.nn.Sequential(*convs, torch.nn.Conv3d(1, 1, 3, 2, 1))
    fields = receptive_fields(net)["2"]
    for parameter in net.parameters():
        torch.nn.init.ones_(parameter)
    pooled = torch.nn.AvgPool3d(
        (1, 3, 3), (1, 2, 2), (0, 1, 1)
    )  # unlike the maximum, it passes all gradients
    x = torch.ones(1, 1, 15, 41, 41, requires_grad=True)
    net[2](pooled(net[0](x)))[0, 0, 3, 2, 2].backward()
    for axis, position in enumerate((3, 2, 2)):
        seen = x.grad[0, 0].abs().sum([other for other in range(3) if other != axis]).nonzero()
        assert (seen.min().item(), seen.max().item()) == fields[axis].interval(position)


@pytest.mark.parametrize(("depth", "num_temporal"), [(18, 17), (34, 33), (50, 17), (101, 34)])
def test_other_depths(depth, num_temporal):
    summary = summarise(meta_net(depth, 10), num_frames=8, size=64)
    assert summary.num_temporal_layers == num_temporal
    assert summary.field[0].size == 1 + 2 * num_temporal
    assert summary.stages[-2].output_shape[1:] == (8, 2, 2)


def test_temporal_stride_halves_the_frames_in_layers_2_to_4():
    summary = summarise(meta_net(50, temporal_stride=True))
    assert [stage.output_shape[1] for stage in summary.stages[:-1]] == [32, 32, 32, 16, 8, 4]
    assert summary.num_parameters == 46_980_944


def test_width():
    assert summarise(meta_net(18, 12, width=16), num_frames=8, size=64).stages[-2].output_shape[0] == 128


@pytest.mark.parametrize("depth", [18, 34, 50])
@pytest.mark.parametrize("temporal_stride", [False, True])
def test_same_logits_as_plain_function_calls(depth, temporal_stride):
    net = i3d_resnet(depth, 7, width=8, temporal_stride=temporal_stride).eval()
    weights = random_weights({name: tensor.shape for name, tensor in net.state_dict().items()}, seed=depth)
    net.load_state_dict(weights)
    clips = torch.randn(2, 3, 8, 40, 36, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = i3d_logits(weights, clips, depth, temporal_stride)
        assert expected.std() > 0.1
        torch.testing.assert_close(net(clips), expected, rtol=1e-5, atol=1e-5)


def test_heads_commute_without_dropout():
    torch.manual_seed(0)
    features = torch.randn(3, 256, 5, 2, 4, dtype=torch.float64)
    net = i3d_resnet(50, 11, width=8).double().eval()
    pooled = i3d_resnet(50, 11, width=8, head="pool_first").double().eval()
    pooled.load_state_dict(net.state_dict())
    torch.testing.assert_close(net.logits(features), pooled.logits(features), rtol=1e-12, atol=1e-14)


def test_per_frame_head_drops_each_frame_by_itself():
    """A dropped frame loses its own features only, so the average over frames takes many values."""
    torch.manual_seed(0)
    features = torch.ones(1, 64, 16, 1, 1)
    heads = {head: i3d_resnet(18, 1, width=8, head=head).train() for head in ("per_frame", "pool_first")}
    for net in heads.values():
        net.fc.weight = torch.nn.Parameter(torch.eye(1, 64))
    values = {h: {round(net.logits(features).item(), 4) for _ in range(60)} for h, net in heads.items()}
    assert values["pool_first"] == {0.0, 2.0}
    assert len(values["per_frame"]) > 4


def test_initial_weights():
    torch.manual_seed(0)
    net = i3d_resnet(50, 400, width=16)
    conv = net.layer3[0].conv2.weight
    assert conv.std().item() == pytest.approx((2 / (64 * 27)) ** 0.5, rel=0.02)  # fan_out: 64 channels x 27
    assert net.fc.weight.std().item() == pytest.approx(0.001, rel=0.02)
    assert net.fc.weight.mean().abs() < 1e-4
    assert not net.fc.bias.any()
    assert all((net.bn1.weight == 1).tolist()) and not net.bn1.bias.any()
    assert net.layer1[0].bn3.weight.eq(1).all()  # no zero gamma, as in the reference


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 152}, "depth must be one of 18, 34, 50, 101, got 152"),
        ({"num_classes": 0}, "num_classes and width must be at least 1, got 0 and 64"),
        ({"head": "mean"}, "head must be 'per_frame' or 'pool_first', got 'mean'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        i3d_resnet(**arguments)


def test_built_from_a_recipe():
    stage = ModelStage(depth=18, width=8, head="pool_first", dropout=0.2, temporal_stride=True)
    net = build_model(stage, 5)
    assert (net.depth, net.width, net.head, net.num_classes) == (18, 8, "pool_first", 5)
    assert (net.dropout.p, net.temporal_stride) == (0.2, True)


def test_one_tap_is_blind_to_the_order_of_frames():
    torch.manual_seed(0)
    clips = torch.randn(2, 3, 6, 32, 32)
    shuffled = clips[:, :, [3, 0, 5, 1, 4, 2]]
    blind, seeing = (i3d_resnet(50, 5, width=4, temporal_taps=taps).eval() for taps in (1, 3))
    for net in (blind, seeing):
        torch.nn.init.normal_(net.fc.weight)
    assert torch.allclose(blind(clips), blind(shuffled), atol=1e-5)
    assert not torch.allclose(seeing(clips), seeing(shuffled), atol=1e-2)


def test_one_tap_is_the_three_tap_network_cut_to_the_centre():
    torch.manual_seed(0)
    seeing, blind = (i3d_resnet(18, 5, width=4, temporal_taps=taps).eval() for taps in (3, 1))
    torch.nn.init.normal_(seeing.fc.weight)
    weights = {
        n: w[:, :, 1:2] if w.ndim == 5 and w.shape[2] == 3 else w for n, w in seeing.state_dict().items()
    }
    blind.load_state_dict(weights)
    assert cut_to_centre_tap(seeing) == 17 and cut_to_centre_tap(blind) == 0
    clips = torch.randn(2, 3, 4, 32, 32)
    assert torch.allclose(blind(clips), seeing(clips), atol=1e-5)


def test_other_numbers_of_taps_are_refused():
    with pytest.raises(ValueError, match="temporal_taps must be 3 or 1, got 5"):
        i3d_resnet(18, 5, temporal_taps=5)

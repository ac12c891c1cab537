"""One place decides with which numbers a network computes: in a training step and in an evaluation alike."""

import pytest
import torch

from tests.helpers.runs.known_runs import small_net
from tests.load.test_transforms import batch
from vidprep.harness.device import choose_precision
from vidprep.harness.evaluation.logits import view_logits
from vidprep.harness.training.step import BatchSplit, StepSettings, train_step

CPU = torch.device("cpu")


@pytest.fixture
def tf32():
    """Somebody has allowed TF32 everywhere, as PyTorch does for convolutions by itself."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = True
    yield
    assert matmul.allow_tf32 and cudnn.allow_tf32  # nothing outside of the network changed
    matmul.allow_tf32, cudnn.allow_tf32 = before


def watched_net(seen):
    """A network that notes, at a convolution and at its classifier, what is allowed and what comes out."""

    def note(_module, _inputs, output):
        allowed = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        seen.append((*allowed, output.dtype))

    net = small_net()
    net.conv1.register_forward_hook(note)
    net.fc.register_forward_hook(note)
    return net


def trained(net, clips, precision):
    settings = StepSettings(BatchSplit(2, 1, 1), CPU, precision, "linear", 0.0, (), 0)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    train_step(net.train(), optimiser, iter([clips]), settings, epoch=0)


def evaluated(net, clips, precision):
    view_logits(net.eval(), clips, micro_batch=2, precision=precision, chroma="linear")


@pytest.mark.usefixtures("tf32")
@pytest.mark.parametrize("use", [trained, evaluated])
@pytest.mark.parametrize(
    ("precision", "convolution", "classifier"),
    [
        ("fp32", (False, False, torch.float32), (False, False, torch.float32)),
        ("bf16", (False, True, torch.bfloat16), (False, True, torch.float32)),
    ],
)
def test_what_a_network_computes_in(use, precision, convolution, classifier):
    seen = []
    clips = batch(torch.zeros(2, 4, 32, 32, 3, dtype=torch.uint8), (0, 0, 32, 32), crop_size=32)
    use(watched_net(seen), clips, precision)
    assert seen == [convolution, classifier]


@pytest.mark.parametrize(
    ("device", "wanted", "precision"),
    [("cpu", None, "fp32"), ("cuda", None, "bf16"), ("cuda", "fp32", "fp32"), ("cpu", "bf16", "bf16")],
)
def test_the_choice_is_the_users_first(device, wanted, precision):
    assert choose_precision(torch.device(device), wanted) == precision

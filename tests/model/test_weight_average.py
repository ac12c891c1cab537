"""The moving average of a network's weights, against its formula."""

import pytest
import torch
from torch import nn

from vidprep.model.weight_average import WeightAverage, decay_at


def make_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def change(net, step):
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor += step if tensor.dtype == torch.long else torch.randn_like(tensor)


def test_it_is_the_formula():
    net = make_net()
    average = WeightAverage(net, 0.75)
    expected = {name: tensor.double() for name, tensor in net.state_dict().items()}
    for step in range(1, 40):
        change(net, step)
        average.update(net, step)
        decay = min(0.75, (1 + step) / (10 + step))
        for name, tensor in net.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * tensor
    for name, tensor in average.state_dict().items():
        if tensor.is_floating_point():  # statistics of batch norm are averaged, too
            torch.testing.assert_close(tensor, expected[name].float())
    name = "1.num_batches_tracked"
    assert average.state_dict()[name].item() == net.state_dict()[name].item() == sum(range(40))


def test_decay_is_less_at_first():
    assert decay_at(1, 0.999) == 2 / 11 and decay_at(90, 0.999) == 91 / 100
    assert decay_at(10_000, 0.999) == 0.999 and decay_at(1, 0.1) == 0.1


def test_a_network_has_it_for_a_while():
    net = make_net()
    average = WeightAverage(net, 0.9)
    first = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    change(net, 1)
    trained = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(KeyError), average.put_into(net):
        assert all(torch.equal(tensor, first[name]) for name, tensor in net.state_dict().items())
        raise KeyError
    assert all(torch.equal(tensor, trained[name]) for name, tensor in net.state_dict().items())


def test_that_of_another_network_is_refused():
    with pytest.raises(ValueError, match=r"average \('ema'\) has other weights than the network"):
        WeightAverage(make_net(), 0.9).load_state_dict({"0.weight": torch.zeros(3)})

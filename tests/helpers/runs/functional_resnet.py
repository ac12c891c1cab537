"""The networks once more, written from the tables as plain function calls on a dictionary of weights."""

import torch
import torch.nn.functional as F

BOTTLENECKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


def norm(x, w, name):
    mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    return F.batch_norm(x, mean, var, w[f"{name}.weight"], w[f"{name}.bias"])


def i3d_features(w, x, depth, temporal_stride=False):
    x = F.relu(norm(F.conv3d(x, w["conv1.weight"], None, (1, 2, 2), (1, 3, 3)), w, "bn1"))
    x = F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    for number, count in enumerate((BOTTLENECKS | BASIC)[depth], start=1):
        for block in range(count):
            down = number > 1 and block == 0
            stride = ((2 if temporal_stride else 1), 2, 2) if down else (1, 1, 1)
            name = f"layer{number}.{block}"
            y = x
            steps = (
                [("1", stride, 1), ("2", 1, 1)]
                if depth in BASIC
                else [("1", 1, 0), ("2", stride, 1), ("3", 1, 0)]
            )
            for step, step_stride, padding in steps:
                y = F.conv3d(y, w[f"{name}.conv{step}.weight"], None, step_stride, padding)
                y = norm(y, w, f"{name}.bn{step}")
                if step != steps[-1][0]:
                    y = F.relu(y)
            if f"{name}.downsample.0.weight" in w:
                x = norm(
                    F.conv3d(x, w[f"{name}.downsample.0.weight"], None, stride), w, f"{name}.downsample.1"
                )
            x = F.relu(x + y)
    return x


def i3d_logits(w, x, depth, temporal_stride=False):
    frames = i3d_features(w, x, depth, temporal_stride).mean((3, 4))
    each = [F.linear(frames[:, :, t], w["fc.weight"], w["fc.bias"]) for t in range(frames.shape[2])]
    return torch.stack(each).mean(0)


def resnet50_2d_shapes(width=64, num_classes=1000):
    """Names and shapes of torchvision's ResNet-50, batch-norm buffers included."""
    shapes = {"conv1.weight": (width, 3, 7, 7), **norm_shapes("bn1", width)}
    channels = width
    for number, count in enumerate(BOTTLENECKS[50], start=1):
        inner = width * 2 ** (number - 1)
        for block in range(count):
            name = f"layer{number}.{block}"
            shapes[f"{name}.conv1.weight"] = (inner, channels, 1, 1)
            shapes |= norm_shapes(f"{name}.bn1", inner)
            shapes[f"{name}.conv2.weight"] = (inner, inner, 3, 3)
            shapes |= norm_shapes(f"{name}.bn2", inner)
            shapes[f"{name}.conv3.weight"] = (4 * inner, inner, 1, 1)
            shapes |= norm_shapes(f"{name}.bn3", 4 * inner)
            if block == 0:
                shapes[f"{name}.downsample.0.weight"] = (4 * inner, channels, 1, 1)
                shapes |= norm_shapes(f"{name}.downsample.1", 4 * inner)
            channels = 4 * inner
    return shapes | {"fc.weight": (num_classes, channels), "fc.bias": (num_classes,)}


def norm_shapes(name, channels):
    shapes = dict.fromkeys(
        [f"{name}.weight", f"{name}.bias", f"{name}.running_mean", f"{name}.running_var"], (channels,)
    )
    return shapes | {f"{name}.num_batches_tracked": ()}


def random_weights(shapes, seed=0):
    """Draw weights of a working scale, with batch-norm statistics that are not those of a fresh network."""
    rng = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(7)
        elif name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
            weights[name] = torch.rand(shape, generator=rng) + 0.5
        else:
            fan_in = shape[1:].numel() if isinstance(shape, torch.Size) else torch.Size(shape[1:]).numel()
            weights[name] = torch.randn(shape, generator=rng) * (2 / max(fan_in, 1)) ** 0.5 * 0.7
    return weights


def resnet50_2d_features(w, x):
    """Return the last feature map of a 2D ResNet-50, (B, C, H, W)."""

    def conv(x, name, stride=1, padding=0):
        return F.conv2d(x, w[f"{name}.weight"], None, stride, padding)

    x = F.max_pool2d(F.relu(norm(conv(x, "conv1", 2, 3), w, "bn1")), 3, 2, 1)
    for number, count in enumerate(BOTTLENECKS[50], start=1):
        for block in range(count):
            name, stride = f"layer{number}.{block}", 2 if number > 1 and block == 0 else 1
            y = F.relu(norm(conv(x, f"{name}.conv1"), w, f"{name}.bn1"))
            y = F.relu(norm(conv(y, f"{name}.conv2", stride, 1), w, f"{name}.bn2"))
            y = norm(conv(y, f"{name}.conv3"), w, f"{name}.bn3")
            if block == 0:
                x = norm(conv(x, f"{name}.downsample.0", stride), w, f"{name}.downsample.1")
            x = F.relu(x + y)
    return x

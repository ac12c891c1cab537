"""The network I3D-ResNet: its layers, its cost, its receptive field, and the files of its weights."""

from vidprep.model.resnet import I3DResNet, build_model, i3d_resnet

__all__ = ["I3DResNet", "build_model", "i3d_resnet"]

"""The network: I3D-ResNet, what it computes, where its weights come from."""

from vidprep.model.resnet import I3DResNet, build_model, i3d_resnet

__all__ = ["I3DResNet", "build_model", "i3d_resnet"]

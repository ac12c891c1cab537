"""Train and evaluate I3D-ResNet by the paper's procedure."""

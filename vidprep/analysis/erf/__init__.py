"""Effective receptive field of a network: how strongly each input position moves one neuron."""

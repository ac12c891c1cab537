"""Temporal filters of a network: which temporal patterns its kernels respond to."""

"""An effective receptive field in a few numbers: extent in time and space, centre."""

from typing import Any

import numpy as np

# Luo et al. 2016 count what is above 1 - 95.45 % of the peak.
THRESHOLD = 0.0455


def time_profile(erf: np.ndarray) -> np.ndarray:
    """Return the energy p(t) of each frame, (T,): squares summed over channels and pixels; its sum is 1."""
    energy = np.square(erf, dtype=np.float64).sum((0, 2, 3))
    return np.asarray(energy / energy.sum())


def spatial_map(erf: np.ndarray) -> np.ndarray:
    """Return the root of the energy summed over channels and frames, (H, W); the peak is 1."""
    amplitude = np.sqrt(np.square(erf, dtype=np.float64).sum((0, 1)))
    return np.asarray(amplitude / amplitude.max())


def slice_tx(erf: np.ndarray) -> np.ndarray:
    """Return the root of the energy summed over channels and rows, (T, W); the peak is 1."""
    amplitude = np.sqrt(np.square(erf, dtype=np.float64).sum((0, 2)))
    return np.asarray(amplitude / amplitude.max())


def frame_maps(erf: np.ndarray) -> np.ndarray:
    """Return the root of the energy summed over channels, (T, H, W); the peak is 1."""
    amplitude = np.sqrt(np.square(erf, dtype=np.float64).sum(0))
    return np.asarray(amplitude / amplitude.max())


def summarise_erf(erf: np.ndarray) -> dict[str, Any]:
    """Summarise a field (3, T, H, W) as plain values for JSON.

    `mean` and `sigma` are those of frames weighted by energy, `extent` runs 2 sigma to either side of the
    mean. `frames_above` and `pixels_above` count where the amplitude, the root of p(t) and of the spatial
    map's energy, exceeds 4.55 % of its peak. `centroid` is weighted by energy too, in (t, y, x).

    Raises:
        ValueError: If the field is zero everywhere, or not finite.
    """
    if not np.isfinite(erf).all():
        raise ValueError(
            "the effective receptive field is not finite; weights or batch norms hold huge values or NaN."
        )
    if not erf.any():
        raise ValueError(
            "the effective receptive field is zero everywhere; the neuron does not see the input."
        )
    profile = time_profile(erf)
    amplitude = np.sqrt(profile)
    mean, sigma = _mean_and_sigma(profile)
    pixels = np.square(spatial_map(erf))
    y, sigma_y = _mean_and_sigma(pixels.sum(1) / pixels.sum())
    x, sigma_x = _mean_and_sigma(pixels.sum(0) / pixels.sum())
    return {
        "energy_per_frame": profile.tolist(),
        "mean_frame": mean,
        "sigma_frames": sigma,
        "extent_frames": [mean - 2 * sigma, mean + 2 * sigma],
        "frames_above": int((amplitude > THRESHOLD * amplitude.max()).sum()),
        "pixels_above": int((spatial_map(erf) > THRESHOLD).sum()),
        "centroid": [mean, y, x],
        "sigma_pixels": [sigma_y, sigma_x],
    }


def _mean_and_sigma(weights: np.ndarray) -> tuple[float, float]:
    positions = np.arange(len(weights))
    mean = float((weights * positions).sum())
    return mean, float(np.sqrt((weights * (positions - mean) ** 2).sum()))

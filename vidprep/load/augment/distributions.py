"""Numbers of other distributions than the uniform one, spelled out for the reason that `Draws` is."""

import math

from vidprep.load.sampling.draws import Draws


def draw_normal(draws: Draws, mean: float, std: float) -> float:
    """Return a normally distributed number (Box & Muller 1958)."""
    radius = math.sqrt(-2 * math.log(1 - draws.uniform()))
    return mean + std * radius * math.cos(2 * math.pi * draws.uniform())


def draw_beta(draws: Draws, alpha: float) -> float:
    """Return a number from 0 to 1 of Beta(alpha, alpha), `alpha` above 0 (Joehnk 1964, in logarithms).

    It draws again until two powers of uniform numbers have a sum of at most 1: twice on average for
    `alpha` = 1, 70 times for 4.
    """
    while True:
        first, second = (math.log(1 - draws.uniform()) / alpha for _ in range(2))
        larger = max(first, second)
        total = larger + math.log(math.exp(first - larger) + math.exp(second - larger))
        if total <= 0:
            return math.exp(first - total)

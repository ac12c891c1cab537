"""Epoch order: every sample once, whoever asks, wherever one starts."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidprep.load.sampling.order import EpochOrder, Permutation, rank_slice

shard_sizes = st.lists(st.integers(1, 40), min_size=1, max_size=20)
shuffles = st.sampled_from(("full", "block", "none"))


@given(size=st.integers(1, 3000), seed=st.integers(0, 2**63))
def test_permutation(size, seed):
    values = Permutation(size, seed)(np.arange(size))
    assert np.array_equal(np.sort(values), np.arange(size))


@given(sizes=shard_sizes, seed=st.integers(0, 99), epoch=st.integers(0, 99), shuffle=shuffles)
def test_epoch_holds_every_sample_once(sizes, seed, epoch, shuffle):
    order = EpochOrder(sizes, seed=seed, epoch=epoch, shuffle=shuffle)
    assert sorted(order.rows(0, sum(sizes))) == list(range(sum(sizes)))


@given(
    sizes=shard_sizes,
    seed=st.integers(0, 99),
    shuffle=shuffles,
    start=st.integers(0, 900),
    length=st.integers(0, 50),
)
def test_any_stretch_is_a_part_of_the_whole(sizes, seed, shuffle, start, length):
    order = EpochOrder(sizes, seed=seed, epoch=1, shuffle=shuffle)
    whole = order.rows(0, sum(sizes))
    assert np.array_equal(order.rows(start, start + length), whole[start : start + length])


@given(
    sizes=shard_sizes,
    share=st.integers(1, 6),
    worlds=st.tuples(st.integers(1, 16), st.integers(1, 16)),
    seed=st.integers(0, 99),
    stop=st.integers(0, 20),
)
def test_batches_know_no_ranks(sizes, share, worlds, seed, stop):
    """Stop after some steps in one world, go on in another: the same batches as without a stop."""
    batch = share * worlds[0] * worlds[1]
    order = EpochOrder(sizes, seed=seed, epoch=0)
    for step in range(sum(sizes) // batch):
        world = worlds[0] if step < stop else worlds[1]
        rows = order.rows(step * batch, (step + 1) * batch)
        parts = [rank_slice(rows, rank=rank, world_size=world) for rank in range(world)]
        assert {len(part) for part in parts} == {batch // world}
        assert np.array_equal(np.concatenate(parts), rows)


def test_blocks_stay_together():
    """A block is 8 shards: of 40 shards with 5 samples each, any block of 40 samples comes from 8."""
    order = EpochOrder([5] * 40, seed=0, epoch=0, shuffle="block")
    rows = order.rows(0, 200)
    for start in range(0, 200, 40):
        assert len(set(rows[start : start + 40] // 5)) == 8
    assert not np.array_equal(rows[:40] // 5, np.sort(rows[:40] // 5))


def test_epochs_and_seeds_differ():
    rows = [
        tuple(EpochOrder([50], seed=seed, epoch=epoch).rows(0, 50)) for seed in (0, 1) for epoch in (0, 1)
    ]
    assert len(set(rows)) == 4


def test_every_place_is_as_likely():
    first = Counter(int(Permutation(6, seed)(np.arange(6))[0]) for seed in range(6000))
    assert sorted(first) == list(range(6))
    assert all(850 < count < 1150 for count in first.values())


def test_the_order_is_pinned():
    """A resumed run needs the order of the version that started it."""
    assert EpochOrder([5, 7], seed=3, epoch=2).rows(0, 12).tolist() == [8, 3, 2, 4, 11, 0, 7, 6, 9, 1, 10, 5]


def test_empty_split():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        EpochOrder([], seed=0, epoch=0)


def test_unknown_shuffle():
    with pytest.raises(ValueError, match="shuffle must be one of full, block, none; got 'blocks'"):
        EpochOrder([3], seed=0, epoch=0, shuffle="blocks")

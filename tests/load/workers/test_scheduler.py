"""Whatever the workers finish first, batches come in order; with any ranks, workers, stop and resume."""

import random
from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vidprep.load.sampling.order import EpochOrder, rank_slice
from vidprep.load.stats import Stats
from vidprep.load.workers.jobs import Done
from vidprep.load.workers.scheduler import Request, fill_slots
from vidprep.shards.stored_video import StoredVideo


class AnyOrderEngine:
    """Up to `num_workers` jobs are under way; any of them may be finished next. It "decodes" row numbers."""

    def __init__(self, num_slots, num_rows, num_workers, seed):
        self.ring = np.full((num_slots, num_rows), -1)
        self.jobs, self.num_workers, self.random = [], max(1, num_workers), random.Random(seed)

    def submit(self, job):
        self.ring[job.slot, job.row] = -1
        self.jobs.append(job)

    def next_done(self):
        job = self.jobs.pop(self.random.randrange(min(self.num_workers, len(self.jobs))))
        self.ring[job.slot, job.row] = int(job.video.key)
        return Done(job.slot, job.row)

    def close(self):
        pass


def load(order, steps, *, batch, rank, world, workers, num_slots, seed):
    """The rows that a rank gets, step by step, as a loader would give them."""

    def requests():
        for step in steps:
            rows = order.rows(step * batch, (step + 1) * batch)
            yield [
                Request(StoredVideo(str(row), "", 0, 0, 0, 1, 1, 1), ("view",))
                for row in rank_slice(rows, rank=rank, world_size=world)
            ]

    engine = AnyOrderEngine(num_slots, batch // world, workers, seed)
    fillings = fill_slots(engine, requests(), num_slots=num_slots, stats=Stats())
    return [engine.ring[filling.slot].tolist() for filling in fillings]


worlds = st.integers(1, 16)
num_workers = st.integers(0, 8)


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=20),
    share=st.integers(1, 3),
    before=st.tuples(worlds, num_workers),
    after=st.tuples(worlds, num_workers),
    stop=st.integers(0, 12),
    num_slots=st.integers(2, 5),
    shuffle=st.sampled_from(("full", "block")),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 50),
)
def test_any_world_any_workers_any_stop(sizes, share, before, after, stop, num_slots, shuffle, seed, epoch):
    order = EpochOrder(sizes, seed=seed, epoch=epoch, shuffle=shuffle)
    batch = share * int(np.lcm(before[0], after[0]))
    num_steps = sum(sizes) // batch
    stop = min(stop, num_steps)
    given_rows = []
    for (world, workers), steps in ((before, range(stop)), (after, range(stop, num_steps))):
        settings = {"batch": batch, "world": world, "workers": workers, "num_slots": num_slots, "seed": seed}
        ranks = [load(order, steps, rank=rank, **settings) for rank in range(world)]
        given_rows += [list(chain(*parts)) for parts in zip(*ranks, strict=True)]
    expected = [order.rows(step * batch, (step + 1) * batch).tolist() for step in range(num_steps)]
    assert given_rows == expected
    flat = [row for rows in given_rows for row in rows]
    assert len(set(flat)) == len(flat) == num_steps * batch

"""Processes that read and decode, and the shared memory that they write batches into.

How many there are is decided in `vidprep.load.options`.

engine.py      starts them, or works without      worker.py        what one of them runs
scheduler.py   which batches are under way        jobs.py          one video to read and decode
ring.py        the memory of the batches          environment.py   settings of the C library
"""

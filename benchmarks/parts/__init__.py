"""What the benchmarks share; none of it is started by itself.

environment.py      the machine and the versions that figures belong to
process_usage.py    CPU seconds and memory, as the kernel counts them
charts.py           a bar chart, and how a spread is written
results_file.py     a benchmark's section of RESULTS.md
rounds.py           measurements that take turns
builds/             what build.py and scaling.py build, and how
loader_data.py      what loader.py measures on: files, shards, JPEG tars, litdata chunks
loader_runs.py      our loader and the decoder's limit; loader_views.py: the views of an evaluation
loader_peers.py     other people's loaders on the same clips; spdl_peer.py: SPDL
steps.py            training steps with and without the harness, for harness.py and gpu.py
gpu_checks.py       what gpu.py looks at beside speed
"""

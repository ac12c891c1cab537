"""What benchmarks/build.py and scaling.py build, and how.

data.py     videos, archives, made-up plans
runs.py     the shell loops and the builds that are compared
scale.py    a plan of many videos, and the memory of a build
"""

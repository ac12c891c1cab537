"""Train and evaluate I3D-ResNet, or a network of your own, by the paper's procedure.

training/       the loop: schedule, step, checkpoints      run_folder.py   the files of a run and their names
evaluation/     scores, results, tables, comparisons       run_table.py    several runs side by side
reproduction/   published figures beside ours              ranks.py        processes and devices
"""

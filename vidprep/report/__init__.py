"""What a person looks at: one HTML page on shard sets, runs, evaluations and analyses.

find.py          which of these a folder is or holds
page.py          all sections -> one self-contained file
shards.py        accounting.py spreads.py          contact_sheet.py   clips of the classes
geometry.py      clips and crops on real videos    geometry_drawing.py
runs.py          curves                            analyses.py        figures that other commands drew
evaluations.py   evaluation_files.py confusion.py  judged_videos.py   best and worst videos
videos.py        frames out of shards              images.py          images inside the page
charts.py flow.py svg.py words.py                  drawings, numbers
templates/       the HTML and its one style sheet
"""

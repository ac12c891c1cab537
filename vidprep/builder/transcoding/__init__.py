"""Turn a raw video into a stored one, in a child process that may crash or hang, or reject it.

transcode.py      one video's whole way; what rejects it     child.py       the process that may crash
source.py         the raw file, unchanged meanwhile          segments.py    a part of it
image_folders.py  numbered JPEGs as a source                 preflight.py   what FFmpeg can do, before all
command.py        FFmpeg's command lines                     ffmpeg_run.py, ffmpeg_log.py   one run, its log
frame_counts.py   as many frames out as in                   watching.py    what the stored frames show
suspicion/        damage that does not reject a video, but marks it as suspect
scratch.py        temporary folders
"""

"""One raw video to one stored video, in a child process that may crash or hang, or the reason why not."""

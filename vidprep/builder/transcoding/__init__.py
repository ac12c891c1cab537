"""Turn a raw video into a stored one, in a child process that may crash or hang, or reject it."""

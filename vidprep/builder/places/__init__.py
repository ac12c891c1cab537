"""Where a build keeps what has to outlive its processes: in its folder, or in an object store."""

"""Object stores on this machine: a bucket, a proxy that makes it fail, what a build leaves in it."""

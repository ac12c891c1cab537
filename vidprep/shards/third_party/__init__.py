"""Third-party tars: index them, check them, and tell their splits, so that they load like vidprep's own."""

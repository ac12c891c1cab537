"""The progress of a build: read from the files that it keeps, or served to Prometheus while it runs."""

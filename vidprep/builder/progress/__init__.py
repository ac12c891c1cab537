"""How far a build is: read from what it keeps, or told to Prometheus while it runs."""

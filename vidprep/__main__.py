"""`python -m vidprep`."""

from vidprep.cli.main import main

main()

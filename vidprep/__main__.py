"""Entry point of `vidprep` and `python -m vidprep`: handles Ctrl-C before anything else is imported."""

from vidprep.stop_signals import take_ctrl_c


def main() -> None:
    """Run the program."""
    take_ctrl_c()
    from vidprep.cli.main import main as run

    run()


if __name__ == "__main__":
    main()

"""`vidprep` and `python -m vidprep`: the first moment, which takes Ctrl-C before anything is imported."""

from vidprep.stop_signals import take_ctrl_c


def main() -> None:
    """Run the program."""
    take_ctrl_c()
    from vidprep.cli.main import main as run

    run()


if __name__ == "__main__":
    main()

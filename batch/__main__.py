"""Where `digitbox` and `python -m batch` begin."""

import signal


def main() -> None:
    """Runs the command line; Ctrl-C while the libraries are loaded ends it without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nohup and & have it ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from batch import cli

    cli.main()


if __name__ == "__main__":
    main()

"""The start of `digitbox` and `python -m batch`."""

import gc
import signal


def main() -> None:
    """Run the command line. Ctrl-C while Python loads the libraries ends it without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nohup and & ignore it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()  # to look for garbage in the loaded libraries takes a sixth of the start
    from batch.cli.main import main as run_command

    gc.freeze()  # they hold no garbage later either, here or in workers
    gc.enable()
    run_command()


if __name__ == "__main__":
    main()

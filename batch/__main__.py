"""Where `digitbox` and `python -m batch` begin."""

import gc
import signal


def main() -> None:
    """Runs the command line; Ctrl-C while the libraries are loaded ends it without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nohup and & have it ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()  # looking for garbage in what was just loaded is a sixth of the time of the start
    from batch.cli.main import main as run_command

    gc.freeze()  # nor is any among them later, here or in workers
    gc.enable()
    run_command()


if __name__ == "__main__":
    main()

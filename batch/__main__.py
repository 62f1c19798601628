"""The start of `digitbox` and `python -m batch`."""

import gc
import os
import signal

BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def main() -> None:
    """Run the command line. Ctrl-C while Python loads the libraries ends it without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nohup and & ignore it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # NumPy would start threads, which digitbox does not need, and end this process if it may have none.
    is_set = BLAS_THREADS in os.environ
    os.environ.setdefault(BLAS_THREADS, "1")
    gc.disable()  # to look for garbage in the loaded libraries takes a sixth of the start
    from batch.cli.main import main as run_command

    if not is_set:
        del os.environ[BLAS_THREADS]  # the commands that a user calls after the run get what the user set
    gc.freeze()  # they hold no garbage later either, here or in workers
    gc.enable()
    run_command()


if __name__ == "__main__":
    main()

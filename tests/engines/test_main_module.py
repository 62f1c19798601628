import os
import sys
import threading
from multiprocessing import spawn

import pytest

from batch.engines.main_module import hidden


def test_a_new_python_is_told_of_no_main_module() -> None:
    with hidden():
        told = spawn.get_preparation_data("worker")
    assert not [name for name in told if "main" in name]


def test_a_hidden_main_module_has_its_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other threads may pickle them meanwhile."""
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "own_function", os.getpid, raising=False)
    with hidden():
        assert getattr(sys.modules["__main__"], "own_function", None) is os.getpid
    assert sys.modules["__main__"] is main
    with pytest.raises(OSError, match="no process"), hidden():
        raise OSError("no process")
    assert sys.modules["__main__"] is main


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # of Python 3.12, for threads
def test_a_fork_finds_the_main_module_as_it_is() -> None:
    main = sys.modules["__main__"]
    stop = threading.Event()

    def hide() -> None:
        while not stop.is_set():
            with hidden():
                pass

    thread = threading.Thread(target=hide)
    thread.start()
    try:
        for _ in range(20):
            if (child := os.fork()) == 0:
                with hidden():
                    pass
                os._exit(0 if sys.modules["__main__"] is main else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()

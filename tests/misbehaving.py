"""`digitbox` with a reader that misbehaves as the names of scans say: python -m misbehaving run ..."""

import os
import select
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batch.errors import MissingExtraError, ModelError
from batch.inference import reader
from batch.records import Outcome, ScanRef
from batch.run import job

# In the folder of the scans: a pipe in which a worker says that it waits, one that lets it go on, and a
# file that lets all go on.
ASKS, ANSWERS, OPEN = "asks", "answers", "open"


@dataclass(slots=True)
class Reader(reader.Reader):
    """A reader that workers can import by its name."""

    def __call__(self, refs: Sequence[ScanRef], beat: Callable[[], object] = lambda: None) -> list[Outcome]:
        for ref in refs:
            self._misbehave(ref)
        return reader.Reader.__call__(self, refs, beat)

    def pages(
        self,
        ref: ScanRef,
        first: int = 1,
        *,
        one_by_one: bool = False,
        beat: Callable[[], object] = lambda: None,
    ) -> Iterator[list[Outcome]]:
        self._misbehave(ref)
        yield from reader.Reader.pages(self, ref, first, one_by_one=one_by_one, beat=beat)

    def _misbehave(self, ref: ScanRef) -> None:
        if "crash" in ref.name:
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in ref.name:
            signal.pause()
        if "stop" in ref.name:
            os.kill(os.getpid(), signal.SIGSTOP)
        if "model" in ref.name:
            raise ModelError("the model is gone")
        if "extra" in ref.name:
            raise MissingExtraError("--runtime tensorflow", "train")
        if "gate" in ref.name:
            _wait_at_the_gate(Path(ref.path).parent)


def _wait_at_the_gate(folder: Path) -> None:
    answers, poll = os.open(folder / ANSWERS, os.O_RDONLY | os.O_NONBLOCK), select.poll()
    poll.register(answers, select.POLLIN)
    if not (folder / OPEN).exists():
        (folder / ASKS).write_text(f"{os.getppid()}\n")
        poll.poll()
    os.close(answers)


def main() -> None:
    from batch.cli.main import main as digitbox

    setattr(job, "Reader", Reader)  # noqa: B010
    digitbox()


if __name__ == "__main__":
    import misbehaving

    misbehaving.main()

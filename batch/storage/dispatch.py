"""Where bytes are: on disks, or in object storage; one interface for both.

Finding scans on disks is `inbox`'s, in object storage `listing`'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from batch import locations
from batch.records import ScanRef
from batch.storage.base import Content, Storage
from batch.storage.disk import Disk, identify_file

CHUNK_SCANS = 500  # scans that are identified


def storage_of(address: str) -> Storage:
    """The storage of a path or an address.

    Raises:
        MissingExtraError: what it needs is not installed.
    """
    return _of(_scheme(address))


def read_contents(refs: Iterable[ScanRef], max_bytes: int) -> Iterator[Content]:
    """As of `Storage`, for scans of any."""
    for scheme, some in itertools.groupby(refs, key=lambda ref: _scheme(ref.path)):
        yield from _of(scheme).contents(some, max_bytes)


def identify(ref: ScanRef) -> ScanRef:
    """The scan with what tells it from another file of its name; as it is where there is no file.

    Objects are identified when they are listed: to ask for each once more would take a request each.
    """
    return ref if locations.is_remote(ref.path) else identify_file(ref)


def identify_all(refs: Iterable[ScanRef]) -> Iterator[list[ScanRef]]:
    """Yields all scans, identified, some at a time."""
    left = iter(refs)
    while some := list(itertools.islice(left, CHUNK_SCANS)):
        yield list(map(identify, some))


def _scheme(address: str) -> str:
    return address.partition("://")[0] if locations.is_remote(address) else ""


def _of(scheme: str) -> Storage:
    if not scheme:
        return Disk()
    from batch.storage import objects  # brings what most runs have no use for

    return objects.objects_of(scheme)

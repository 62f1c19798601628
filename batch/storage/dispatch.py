"""The choice between disks and object storage, by the address; both have one interface.

This package reads and writes bytes; `inputs` finds the scans.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from batch import locations
from batch.records import Beat, ScanRef
from batch.storage.base import Content, Storage
from batch.storage.disk import Disk, identify_file

CHUNK_SCANS = 500  # that `identify_all` yields at a time; few enough to hold in memory


def storage_of(address: str) -> Storage:
    """Return the storage of a path or an address.

    Raises:
        MissingExtraError: The package of the store is not installed.
        InputError: The store cannot be opened.
    """
    return _storage_of_scheme(_scheme(address))


def read_contents(refs: Iterable[ScanRef], max_bytes: int, beat: Beat = lambda: None) -> Iterator[Content]:
    """Yield the content of each scan, in any mixture of storages; see `Storage.contents`."""
    for scheme, group in itertools.groupby(refs, key=lambda ref: _scheme(ref.path)):
        yield from _storage_of_scheme(scheme).contents(group, max_bytes, beat)


def identify(ref: ScanRef) -> ScanRef:
    """Return the scan with the size, time and inode of its file; unchanged if there is no file.

    Objects are unchanged, too: a listing has identified them, and another request for each would be slow.
    """
    return ref if locations.is_remote(ref.path) else identify_file(ref)


def identify_all(refs: Iterable[ScanRef]) -> Iterator[list[ScanRef]]:
    """Yield all scans, identified, in chunks of `CHUNK_SCANS`."""
    remaining = iter(refs)
    while chunk := list(itertools.islice(remaining, CHUNK_SCANS)):
        yield list(map(identify, chunk))


def _scheme(address: str) -> str:
    return address.partition("://")[0] if locations.is_remote(address) else ""


def _storage_of_scheme(scheme: str) -> Storage:
    if not scheme:
        return Disk()
    from batch.storage import objects  # imports packages that most runs do not need

    return objects.objects_of(scheme)

"""Object storage: S3, Google Cloud and Azure, through fsspec.

Credentials come from where the store's own tools find them: environment, profiles, role of the machine.
"""

from __future__ import annotations

import errno
import functools
import glob
import importlib
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from batch.errors import ImageError, InputError, MissingExtraError, OutboxError
from batch.records import Beat, Reason, ScanRef
from batch.storage.base import Content, check_size
from batch.storage.durable import sync
from batch.storage.object_errors import (
    TRY_AGAIN,
    Cause,
    StoreError,
    first_line,
    input_error,
    outbox_error,
)
from batch.storage.object_requests import MAX_REQUESTS, Entry, Requests
from batch.storage.s3 import MAX_PUT_BYTES, S3Requests

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}  # by scheme, what fsspec needs

_Identified = tuple[ScanRef, ImageError | None]
"""A scan as the store has it, or with the error that says why it cannot be read."""


def objects_of(scheme: str) -> Objects:
    """Return the objects of a kind of store, which each process opens once.

    Args:
        scheme: `s3`, `gs` or `az`.

    Raises:
        MissingExtraError: The package of the store is not installed.
        InputError: The store cannot be opened.
    """
    return _open(scheme, os.getpid())  # neither connections nor threads survive a fork


@functools.cache
def _open(scheme: str, _process: int) -> Objects:
    package = PACKAGES[scheme]
    try:
        import fsspec

        importlib.import_module(package)
    except ImportError as error:
        extra = "" if package == "s3fs" else package
        raise MissingExtraError(f"object storage ({scheme}://)", "s3", extra) from error
    options = {}
    if package == "s3fs":  # by itself it makes ten connections
        user_options = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
        options = {"config_kwargs": {"max_pool_connections": MAX_REQUESTS, **user_options}}
    try:
        files = fsspec.filesystem(scheme, use_listings_cache=False, skip_instance_cache=True, **options)
    except Exception as error:  # the errors of three packages have no base class in common
        raise InputError(f"cannot open {scheme}:// addresses: {first_line(error)}; {TRY_AGAIN}") from error
    return Objects(scheme, S3Requests(files) if scheme == "s3" else Requests(files))


class Objects:
    """The objects of one kind of store; a `Storage` that can also be searched.

    Attributes:
        requests: The requests to the store.

    Args:
        scheme: Scheme of the addresses, e.g. `s3`.
        requests: The requests to the store.
    """

    def __init__(self, scheme: str, requests: Requests) -> None:
        self._scheme, self.requests = scheme, requests

    @property
    def lists_deep(self) -> bool:
        """Return whether one listing can have all objects below a folder."""
        return self.requests.lists_deep

    def find(self, address: str) -> ScanRef | None:
        """Return the object of exactly this address; None if there is none.

        Raises:
            InputError: There is no such bucket, or it may not be read.
        """
        if "/" not in _path(address) or address.endswith("/"):
            return None
        try:
            folder = address.rpartition("/")[0].rstrip("/")
            return self.requests.wait(self._look_up(ScanRef(address, address, source=folder)))
        except ImageError:
            return None
        except StoreError as error:
            # Credentials that may list a folder need not be allowed to ask for an object of its name.
            folder = f"{_path(address)}/"
            if error.cause is Cause.DENIED and (
                glob.has_magic(folder) or next(self.entries(folder), None) is not None
            ):
                return None
            raise input_error(address, error) from error

    def entries(self, folder: str, literal: str = "", *, deep: bool = False) -> Iterator[Entry]:
        """Yield the entries of a folder, in the order of the UTF-8 of their keys; none if there is no folder.

        Args:
            folder: Bucket, or bucket and key, with a slash at its end.
            literal: Beginning of the names to list.
            deep: True for all objects below the folder, False for its own objects and folders. True needs
                `lists_deep`.

        Raises:
            InputError: The folder cannot be listed.
        """
        try:
            yield from self.requests.entries(folder, literal, deep)
        except StoreError as error:
            raise input_error(f"{self._scheme}://{folder}", error) from error

    def contents(
        self, refs: Iterable[ScanRef], max_bytes: int, beat: Beat = lambda: None
    ) -> Iterator[Content]:
        """Yield the content of each scan; see `Storage`. digitbox fetches many at the same time.

        If somebody replaced a scan after it was listed, digitbox notices a new size, but not a new time: that
        would take another request for each scan. The next run with `--only-new` reads such a scan again.
        """
        for is_identified, group in itertools.groupby(refs, key=lambda ref: ref.size_bytes >= 0):
            if is_identified:
                scans: Iterable[_Identified] = ((ref, None) for ref in group)
            else:
                scans = self.requests.in_order(self._identify, group, lambda _: 0)
            contents = self.requests.in_order(
                lambda scan: self._content(*scan, max_bytes),
                scans,
                lambda scan: max(scan[0].size_bytes, 0),
            )
            for content in contents:
                beat()
                yield content

    def check(self, outbox: str) -> None:
        """Check that the bucket is there; see `Storage`. Only a write shows whether it may be written."""
        bucket = _path(outbox).partition("/")[0]
        try:
            self.requests.wait(self.requests.check_bucket(bucket))
        except StoreError as error:
            if error.cause in (Cause.GONE, Cause.NO_BUCKET):
                raise OutboxError(
                    f"no bucket for the outbox {outbox}: make it, or give another --outbox"
                ) from error
            if error.cause is not Cause.DENIED:  # credentials that may write need not be allowed to ask
                raise OutboxError(f"cannot reach the outbox {outbox}: {error}; {TRY_AGAIN}") from error

    def publish(self, staged: Path, target: str) -> None:
        """Publish a staged file by one request; see `Storage`. The store refuses a name that is taken."""
        data = staged.read_bytes()
        if len(data) >= MAX_PUT_BYTES:
            raise OutboxError(f"{staged} is too large for one object: give fewer --rows-per-file")
        path = _path(target)
        try:
            try:
                self.requests.wait(self.requests.put(path, data))
            except StoreError as error:
                # An earlier process may have written it, and been killed before it could unlink the file.
                if error.cause is not Cause.TAKEN or not self.requests.wait(
                    self.requests.has_content(path, data)
                ):
                    raise
        except StoreError as error:
            if error.cause is Cause.TAKEN:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from error
            raise outbox_error(target, error) from error
        staged.unlink()
        sync(staged.parent)

    def sync(self, outbox: str) -> None:
        """Do nothing: a store keeps each object that it has confirmed; see `Storage`."""

    async def _look_up(self, ref: ScanRef) -> ScanRef:
        entry = await self.requests.look_up(_path(ref.path))
        if entry is None:
            raise ImageError(Reason.VANISHED, "the object is gone")
        return ScanRef(ref.path, ref.name, entry.size_bytes, entry.mtime_ns, entry.version, ref.source)

    async def _identify(self, ref: ScanRef) -> _Identified:
        try:
            return await self._look_up(ref), None
        except ImageError as error:
            return ref, error
        except StoreError as error:
            return ref, await self._image_error(ref, error)

    async def _content(self, ref: ScanRef, error: ImageError | None, max_bytes: int) -> Content:
        try:
            if error is not None:
                return ref, error
            check_size(ref.size_bytes, max_bytes)
            # One byte more than the size shows that the object has grown.
            data = await self.requests.read(_path(ref.path), ref.size_bytes + 1)
            if len(data) != ref.size_bytes:
                raise ImageError(Reason.CHANGED, "somebody replaced the object")
            return ref, data
        except ImageError as image_error:
            return ref, image_error
        except StoreError as store_error:
            return ref, await self._image_error(ref, store_error)

    async def _image_error(self, ref: ScanRef, error: StoreError) -> ImageError:
        """Return why one scan cannot be read.

        Raises:
            InputError: No other scan can be read, either.
        """
        if error.cause is Cause.GONE:
            return ImageError(Reason.VANISHED, "the object is gone")
        bucket = _path(ref.path).partition("/")[0]
        concerns_all = error.cause in (Cause.NO_BUCKET, Cause.CREDENTIALS)
        if error.cause is Cause.NO_ANSWER:
            try:
                await self.requests.check_bucket(bucket)
            except StoreError as bucket_error:
                concerns_all = bucket_error.cause is Cause.NO_ANSWER
        if concerns_all:
            raise input_error(f"{self._scheme}://{bucket}", error) from error
        return ImageError(Reason.UNREADABLE, str(error))


def _path(address: str) -> str:
    return address.partition("://")[2]

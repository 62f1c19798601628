"""Requests to object storage: coroutines that run on the thread of fsspec, many at a time.

Every failure of a request is a `StoreError`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from batch.storage.object_errors import Cause, StoreError, answer

MAX_REQUESTS = 32  # that digitbox has under way at a time
MAX_FETCHED_BYTES = 64 << 20  # of scans that are being fetched

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Entry:
    """An object or a folder of a listing.

    Attributes:
        key: Key of the object; of a folder, with a slash at its end.
        size_bytes: Size of the object; -1 for a folder.
        mtime_ns: Modification time of the object, in whole seconds; 0 where the store has none.
        version: A number that is another one if the content is; 0 where the store has none.
    """

    key: str
    size_bytes: int = -1
    mtime_ns: int = 0
    version: int = 0


class Requests:
    """The requests that any store of fsspec understands. Paths are of the form `bucket/key`.

    Attributes:
        lists_deep: True if one listing can have all objects below a folder.
        put_options: Options with which fsspec writes an object by one request.

    Args:
        files: The asynchronous file system of fsspec.
    """

    lists_deep = False
    put_options: ClassVar[dict[str, Any]] = {}

    def __init__(self, files: Any) -> None:
        self.files = files

    def wait(self, request: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a request, and return its result."""
        return self._begin(request).result()

    def in_order(
        self,
        request: Callable[[_Item], Coroutine[Any, Any, _Result]],
        items: Iterable[_Item],
        size_bytes: Callable[[_Item], int],
    ) -> Iterator[_Result]:
        """Yield the result of a request for each item, in their order; begin later requests meanwhile.

        Args:
            request: Makes the request for an item.
            items: The items.
            size_bytes: Returns how many bytes an item will take; see `MAX_FETCHED_BYTES`.
        """
        begun: deque[tuple[int, Future[_Result]]] = deque()
        begun_bytes = 0
        try:
            for item in items:
                size = size_bytes(item)
                while begun and (len(begun) >= MAX_REQUESTS or begun_bytes + size > MAX_FETCHED_BYTES):
                    first_size, future = begun.popleft()
                    begun_bytes -= first_size
                    yield future.result()
                begun.append((size, self._begin(request(item))))
                begun_bytes += size
            while begun:
                yield begun.popleft()[1].result()
        finally:
            for _, future in begun:
                future.cancel()

    def _begin(self, request: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        return asyncio.run_coroutine_threadsafe(request, self.files.loop)

    def entries(self, folder: str, literal: str, deep: bool) -> Iterator[Entry]:
        """Yield the entries of a folder; see `Objects.entries`.

        Raises:
            StoreError: The folder cannot be listed.
        """
        bucket, _, key = folder.partition("/")
        try:
            listing = self.wait(answer(self.files._ls(folder.rstrip("/"), detail=True)))
        except StoreError as error:
            if error.cause is Cause.GONE and key:
                return
            raise
        entries = []
        for info in listing:
            name = info["name"].removeprefix(f"{bucket}/").rstrip("/")
            if f"{name}/" != key and name.startswith(key + literal):
                entries.append(entry_of(name, info) if info["type"] == "file" else Entry(f"{name}/"))
        yield from sorted(entries, key=lambda entry: entry.key)  # text sorts in the order of its UTF-8

    async def check_bucket(self, bucket: str) -> None:
        """Ask for a bucket, which fails if there is none."""
        await answer(self.files._info(bucket))

    async def look_up(self, path: str) -> Entry | None:
        """Return what a listing has of an object; None if there is no such object."""
        try:
            info = await answer(self.files._info(path))
        except StoreError as error:
            if error.cause is Cause.GONE:
                return None
            raise
        return entry_of(path, info) if info["type"] == "file" else None

    async def read(self, path: str, max_bytes: int) -> bytes:
        """Return the first bytes of an object, at most `max_bytes`."""
        data = await answer(self.files._cat_file(path, start=0, end=max_bytes))
        return bytes(data)

    async def has_content(self, path: str, data: bytes) -> bool:
        """Return whether there is an object with this content."""
        try:
            return await self.read(path, len(data) + 1) == data
        except StoreError as error:
            if error.cause is Cause.GONE:
                return False
            raise

    async def put(self, path: str, data: bytes) -> None:
        """Write a new object, by one request that fails if the name is taken."""
        try:
            await answer(self.files._pipe_file(path, data, mode="create", **self.put_options))
        except StoreError as error:
            if error.cause is not Cause.NOT_IMPLEMENTED:
                raise
            # The store knows no condition, so digitbox asks first. Nobody else writes such a name: it has
            # four random bytes, and the writer holds the lock of the outbox.
            if await self.look_up(path) is not None:
                raise StoreError(Cause.TAKEN, "the name is taken") from error
            await answer(self.files._pipe_file(path, data, **self.put_options))


def entry_of(key: str, info: dict[str, Any], size: str = "size") -> Entry:
    """Return the entry of an object.

    Args:
        key: Key of the object.
        info: What the store says of the object.
        size: Name of the size in `info`.
    """
    modified = next(
        (info[name] for name in ("LastModified", "mtime", "last_modified") if info.get(name)), None
    )
    # Listings of some stores have fractions of a second that other requests lack.
    mtime_ns = int(modified.timestamp()) * 10**9 if isinstance(modified, datetime) else 0
    return Entry(key, int(info[size] or 0), mtime_ns, _version_of(info))


def _version_of(info: dict[str, Any]) -> int:
    """Return a number for the entity tag of an object, or for its MD5 where the store has that."""
    tag = next((str(info[name]) for name in ("md5Hash", "ETag", "etag") if info.get(name)), "")
    digest = hashlib.sha256(tag.strip('"').encode()).digest()  # listings of some stores lack the quotes
    return int.from_bytes(digest[:7]) if tag else 0

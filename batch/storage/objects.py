"""Object storage: S3, Google Cloud and Azure, each as fsspec has it.

Credentials come from where the tools of the store have them: the environment, profiles, the machine's role.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import glob
import importlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from batch.errors import ImageError, InputError, MissingExtraError, OutboxError
from batch.records import Reason, ScanRef
from batch.storage.base import Content, check_size
from batch.storage.durable import sync
from batch.storage.object_errors import (
    TRY_AGAIN,
    Cause,
    StoreError,
    answer,
    first_line,
    input_error,
    outbox_error,
)

MAX_REQUESTS = 32  # requests
MAX_FETCHED_BYTES = 64 << 20  # of scans that are being fetched
KEYS_PER_PAGE = 1000  # as many as S3 gives
MAX_PUT_BYTES = 5 << 30  # of S3, in one request
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Looked = tuple[ScanRef, ImageError | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in a listing, or a folder, with a slash at the end of its key."""

    key: str
    size_bytes: int = -1
    mtime_ns: int = 0


def objects_of(scheme: str) -> Objects:
    """The objects of a kind of store; opened once a process.

    Raises:
        MissingExtraError: the package that knows it is not installed.
        InputError: it cannot be opened.
    """
    return _opened(scheme, os.getpid())  # neither connections nor threads outlive a fork


@functools.cache
def _opened(scheme: str, _process: int) -> Objects:
    package = PACKAGES[scheme]
    try:
        import fsspec

        importlib.import_module(package)
    except ImportError as error:
        extra = "" if package == "s3fs" else package
        raise MissingExtraError(f"object storage ({scheme}://)", "s3", extra) from error
    settings = {}
    if package == "s3fs":  # which would have ten connections
        of_user = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
        settings = {"config_kwargs": {"max_pool_connections": MAX_REQUESTS, **of_user}}
    try:
        files = fsspec.filesystem(scheme, use_listings_cache=False, skip_instance_cache=True, **settings)
    except Exception as error:  # as of `answer`
        raise InputError(f"cannot open {scheme}:// addresses: {first_line(error)}; {TRY_AGAIN}") from error
    return S3Objects(scheme, files) if scheme == "s3" else Objects(scheme, files)


class Objects:
    """The objects of one kind of store.

    Attributes:
        lists_deep: whether one listing can have all that is in folders of a folder.
        put_settings: with which the file system writes an object by one request.

    Args:
        scheme: of their addresses.
        files: the asynchronous file system of fsspec.
    """

    lists_deep = False
    put_settings: ClassVar[dict[str, Any]] = {}

    def __init__(self, scheme: str, files: Any) -> None:
        self._scheme, self._files = scheme, files

    def find(self, address: str) -> ScanRef | None:
        """The object of this very address; None where there is none.

        Raises:
            InputError: the bucket is not there, or not to be read.
        """
        if "/" not in _path(address) or address.endswith("/"):
            return None
        try:
            return self._wait(self._look(ScanRef(address, address)))
        except ImageError:
            return None
        except StoreError as error:
            # Who may read what is in a folder need not be allowed to ask for an object of its name.
            folder = f"{_path(address)}/"
            if error.trouble is Cause.DENIED and (
                glob.has_magic(folder) or next(self.entries(folder), None) is not None
            ):
                return None
            raise input_error(address, error) from error

    def entries(self, folder: str, head: str = "", *, deep: bool = False) -> Iterator[Entry]:
        """Yields what is in a folder, in the order of the UTF-8 of the keys; nothing where there is none.

        Args:
            folder: bucket, or bucket and key with a slash at the end.
            head: that the names of what is wanted begin with.
            deep: all objects below it, instead of its objects and folders; where `lists_deep`.

        Raises:
            InputError: it cannot be listed.
        """
        try:
            yield from self._entries(folder, head, deep)
        except StoreError as error:
            raise input_error(f"{self._scheme}://{folder}", error) from error

    def _entries(self, folder: str, head: str, deep: bool) -> Iterator[Entry]:
        bucket, _, key = folder.partition("/")
        try:
            found = self._wait(answer(self._files._ls(folder.rstrip("/"), detail=True)))
        except StoreError as error:
            if error.trouble is Cause.GONE and key:
                return
            raise
        entries = []
        for info in found:
            name = info["name"].removeprefix(f"{bucket}/").rstrip("/")
            if f"{name}/" != key and name.startswith(key + head):
                entries.append(_entry(name, info) if info["type"] == "file" else Entry(f"{name}/"))
        yield from sorted(entries, key=lambda entry: entry.key)  # of text, the order is that of its UTF-8

    def contents(self, refs: Iterable[ScanRef], max_bytes: int) -> Iterator[Content]:
        """As of `Storage`; many are fetched at once, and further ones while these are looked at.

        A scan that was replaced since it was listed is told by its size only: to ask for its time would take
        another request for each. It is new for the next run with `--only-new`, by its time.
        """
        for is_known, some in itertools.groupby(refs, key=lambda ref: ref.size_bytes >= 0):
            if is_known:
                looked: Iterable[_Looked] = ((ref, None) for ref in some)
            else:
                looked = self._ahead(self._looked, some, lambda _: 0)
            yield from self._ahead(
                lambda found: self._content(*found, max_bytes),
                looked,
                lambda found: max(found[0].size_bytes, 0),
            )

    def check(self, outbox: str) -> None:
        """As of `Storage`: whether the bucket is there. That it may be written is not known before."""
        bucket = _path(outbox).partition("/")[0]
        try:
            self._wait(self._ask_for(bucket))
        except StoreError as error:
            if error.trouble in (Cause.GONE, Cause.NO_BUCKET):
                raise OutboxError(
                    f"no bucket for the outbox {outbox}: make it, or give another --outbox"
                ) from error
            if error.trouble is not Cause.DENIED:  # who may write need not be allowed to ask
                raise OutboxError(f"cannot reach the outbox {outbox}: {error}; {TRY_AGAIN}") from error

    def publish(self, staged: Path, target: str) -> None:
        """As of `Storage`, by one request, which a store refuses when the name is taken, if it knows how."""
        data = staged.read_bytes()
        if len(data) >= MAX_PUT_BYTES:
            raise OutboxError(f"{staged} is too large for one object: give fewer --rows-per-file")
        try:
            try:
                self._wait(self._put(_path(target), data))
            except StoreError as error:
                # Ours already, when a former process was killed before it could unlink what it had staged.
                if error.trouble is not Cause.TAKEN or not self._wait(self._has(_path(target), data)):
                    raise
        except StoreError as error:
            if error.trouble is Cause.TAKEN:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from error
            raise outbox_error(target, error) from error
        staged.unlink()
        sync(staged.parent)

    def keep(self, outbox: str) -> None:
        """As of `Storage`: what a store has said yes to is kept."""

    async def _ask_for(self, bucket: str) -> None:
        await answer(self._files._info(bucket))

    async def _put(self, path: str, data: bytes) -> None:
        try:
            await answer(self._files._pipe_file(path, data, mode="create", **self.put_settings))
        except StoreError as error:
            if error.trouble is not Cause.UNKNOWN_CALL:
                raise
            # Nobody else writes such a name: it has four random bytes, and who writes holds the lock.
            if await self._has(path):
                raise StoreError(Cause.TAKEN, "the name is taken") from error
            await answer(self._files._pipe_file(path, data, **self.put_settings))

    async def _has(self, path: str, data: bytes | None = None) -> bool:
        """Whether there is an object, with this content if that is given."""
        try:
            if data is None:
                return (await answer(self._files._info(path)))["type"] == "file"
            return await self._part(path, len(data) + 1) == data
        except StoreError as error:
            if error.trouble is Cause.GONE:
                return False
            raise

    async def _part(self, path: str, size_bytes: int) -> bytes:
        data = await answer(self._files._cat_file(path, start=0, end=size_bytes))
        return bytes(data)

    async def _look(self, ref: ScanRef) -> ScanRef:
        try:
            info = await answer(self._files._info(_path(ref.path)))
        except StoreError as error:
            if error.trouble is Cause.GONE:
                raise ImageError(Reason.VANISHED, "the object is gone") from error
            raise
        if info["type"] != "file":
            raise ImageError(Reason.VANISHED, "the object is gone")
        entry = _entry(ref.path, info)
        return ScanRef(ref.path, ref.name, entry.size_bytes, entry.mtime_ns)

    async def _looked(self, ref: ScanRef) -> _Looked:
        try:
            return await self._look(ref), None
        except ImageError as error:
            return ref, error
        except StoreError as error:
            return ref, await self._failed(ref, error)

    async def _content(self, ref: ScanRef, error: ImageError | None, max_bytes: int) -> Content:
        try:
            if error is not None:
                return ref, error
            check_size(ref.size_bytes, max_bytes)
            # A byte more than there should be: it may be larger by now, by how much does not matter.
            data = await self._part(_path(ref.path), ref.size_bytes + 1)
            if len(data) != ref.size_bytes:
                raise ImageError(Reason.CHANGED, "somebody replaced the object")
            return ref, data
        except ImageError as problem:
            return ref, problem
        except StoreError as problem:
            return ref, await self._failed(ref, problem)

    async def _failed(self, ref: ScanRef, error: StoreError) -> ImageError:
        """Why a scan could not be read; raises `InputError` when no other can be, either."""
        if error.trouble is Cause.GONE:
            return ImageError(Reason.VANISHED, "the object is gone")
        bucket = _path(ref.path).partition("/")[0]
        is_of_all = error.trouble in (Cause.NO_BUCKET, Cause.OF_CREDENTIALS)
        if error.trouble is Cause.NO_ANSWER:
            try:
                await self._ask_for(bucket)
            except StoreError as problem:
                is_of_all = problem.trouble is Cause.NO_ANSWER
        if is_of_all:
            raise input_error(f"{self._scheme}://{bucket}", error) from error
        return ImageError(Reason.UNREADABLE, str(error))

    def _wait(self, question: Coroutine[Any, Any, _Result]) -> _Result:
        return self._begin(question).result()

    def _begin(self, question: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        return asyncio.run_coroutine_threadsafe(question, self._files.loop)

    def _ahead(
        self,
        work: Callable[[_Item], Coroutine[Any, Any, _Result]],
        items: Iterable[_Item],
        size_bytes: Callable[[_Item], int],
    ) -> Iterator[_Result]:
        """Yields what becomes of each item, in order; begins the next ones before."""
        begun: deque[tuple[int, Future[_Result]]] = deque()
        held_bytes = 0
        try:
            for item in items:
                size = size_bytes(item)
                while begun and (len(begun) >= MAX_REQUESTS or held_bytes + size > MAX_FETCHED_BYTES):
                    done_size, future = begun.popleft()
                    held_bytes -= done_size
                    yield future.result()
                begun.append((size, self._begin(work(item))))
                held_bytes += size
            while begun:
                yield begun.popleft()[1].result()
        finally:
            for _, future in begun:
                future.cancel()


class S3Objects(Objects):
    """The objects of S3 and its like, listed page by page: a bucket may have a hundred million."""

    lists_deep = True
    put_settings: ClassVar[dict[str, Any]] = {"chunksize": MAX_PUT_BYTES}

    def _entries(self, folder: str, head: str, deep: bool) -> Iterator[Entry]:
        bucket, _, key = folder.partition("/")
        wanted: dict[str, Any] = {"Bucket": bucket, "Prefix": key + head, "MaxKeys": KEYS_PER_PAGE}
        if not deep:
            wanted["Delimiter"] = "/"
        while True:
            page = self._wait(answer(self._files._call_s3("list_objects_v2", **wanted)))
            objects = [_entry(found["Key"], found, "Size") for found in page.get("Contents", ())]
            folders = [Entry(found["Prefix"]) for found in page.get("CommonPrefixes", ())]
            yield from sorted(objects + folders, key=lambda entry: entry.key)
            if not page.get("IsTruncated"):
                return
            wanted["ContinuationToken"] = page["NextContinuationToken"]

    async def _ask_for(self, bucket: str) -> None:
        await answer(self._files._call_s3("head_bucket", Bucket=bucket))


def _path(address: str) -> str:
    return address.partition("://")[2]


def _entry(key: str, info: dict[str, Any], size: str = "size") -> Entry:
    moment = next((info[name] for name in ("LastModified", "mtime", "last_modified") if info.get(name)), None)
    # In whole seconds: listings of some stores know more of them than other requests do.
    mtime_ns = int(moment.timestamp()) * 10**9 if isinstance(moment, datetime) else 0
    return Entry(key, int(info[size] or 0), mtime_ns)

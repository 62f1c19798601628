"""Requests to S3 and the stores that speak as S3 does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from batch.storage.object_errors import answer
from batch.storage.object_requests import Entry, Requests, entry_of

KEYS_PER_PAGE = 1000  # the most that S3 gives
MAX_PUT_BYTES = 5 << 30  # the largest object that S3 takes in one request


class S3Requests(Requests):
    """The requests of S3. They list page by page: a bucket may have a hundred million objects."""

    lists_deep = True
    put_options: ClassVar[dict[str, Any]] = {"chunksize": MAX_PUT_BYTES}

    def entries(self, folder: str, literal: str, deep: bool) -> Iterator[Entry]:
        """Yield the entries of a folder, page by page."""
        bucket, _, key = folder.partition("/")
        query: dict[str, Any] = {"Bucket": bucket, "Prefix": key + literal, "MaxKeys": KEYS_PER_PAGE}
        if not deep:
            query["Delimiter"] = "/"
        while True:
            page = self.wait(answer(self.files._call_s3("list_objects_v2", **query)))
            objects = [entry_of(info["Key"], info, "Size") for info in page.get("Contents", ())]
            folders = [Entry(info["Prefix"]) for info in page.get("CommonPrefixes", ())]
            yield from sorted(objects + folders, key=lambda entry: entry.key)
            if not page.get("IsTruncated"):
                return
            query["ContinuationToken"] = page["NextContinuationToken"]

    async def check_bucket(self, bucket: str) -> None:
        """Ask for a bucket, which fails if there is none."""
        await answer(self.files._call_s3("head_bucket", Bucket=bucket))

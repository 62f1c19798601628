import errno
import functools
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from batch.errors import ExitCode, ImageError, InputError, MissingExtraError, OutboxError
from batch.inputs.find import Inputs
from batch.records import Reason, ScanRef
from batch.storage import dispatch, object_errors, object_requests, objects
from stores import Answer, Store

LIMIT = 1000
NOWHERE = Path("/nowhere")


def listing(bucket: str) -> list[ScanRef]:
    return list(Inputs([f"s3://{bucket}/"], True, NOWHERE))


def read(refs: Iterable[ScanRef]) -> list[bytes | Reason]:
    return [
        content.reason if isinstance(content, ImageError) else content
        for _, content in dispatch.read_contents(refs, LIMIT)
    ]


def answering(part: str, answer: Answer) -> functools.partial[Answer | None]:
    """Return a rule that answers so to all requests with this part in their method and path."""

    def rule(part: str, answer: Answer, request: str, _: Mapping[str, str]) -> Answer | None:
        return answer if part in request else None

    return functools.partial(rule, part, answer)


# Reading


def test_contents_come_in_the_order_of_the_scans(store: Store, tmp_path: Path) -> None:
    bucket = store.bucket({f"{number}.png": bytes([number]) * number for number in range(1, 9)})
    refs = listing(bucket)
    local = tmp_path / "local.png"
    local.write_bytes(b"on a disk")
    mixed = [refs[7], ScanRef(str(local), "local.png"), *refs[:3]]
    assert read(mixed) == [b"\x08" * 8, b"on a disk", b"\x01", b"\x02" * 2, b"\x03" * 3]
    assert [ref.path for ref, _ in dispatch.read_contents(mixed, LIMIT)] == [ref.path for ref in mixed]


def test_many_scans_are_fetched_at_the_same_time(store: Store) -> None:
    bucket = store.bucket({f"{number:02d}.png": b"x" for number in range(object_requests.MAX_REQUESTS)})
    refs = listing(bucket)
    all_requests = threading.Barrier(len(refs))

    def rule(request: str, _: Mapping[str, str]) -> None:
        if ".png" in request:
            all_requests.wait()

    store.rule = rule
    assert read(refs) == [b"x"] * len(refs)


def test_fetched_bytes_have_a_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    refs = listing(store.bucket({f"{number}.png": b"x" * 10 for number in range(9)}))
    monkeypatch.setattr(object_requests, "MAX_FETCHED_BYTES", 35)
    store.requests.clear()
    contents = dispatch.read_contents(refs, LIMIT)
    for number in range(1, 7):
        next(contents)
        assert len(store.requests) <= number + 3


def test_an_object_that_cannot_be_read_has_a_reason(store: Store) -> None:
    names = ("empty", "large", "gone", "longer", "shorter", "whole", "denied", "failing")
    bucket = store.bucket({f"{name}.png": b"x" * 10 for name in names})
    store.put(bucket, "empty.png", b"")
    store.put(bucket, "large.png", b"x" * (LIMIT + 1))
    refs = {ref.name.removesuffix(".png"): ref for ref in listing(bucket)}
    store.delete(bucket, "gone.png")
    store.put(bucket, "longer.png", b"x" * 11)
    store.put(bucket, "shorter.png", b"x" * 9)
    store.requests.clear()

    def rule(request: str, _: Mapping[str, str]) -> Answer | None:
        if "denied" in request:
            return 403, "AccessDenied"
        return (500, "InternalError") if "failing" in request else None

    store.rule = rule
    contents = dict(zip(names, read(refs[name] for name in names), strict=True))
    assert contents == {
        "empty": Reason.EMPTY,
        "large": Reason.TOO_LARGE,
        "gone": Reason.VANISHED,
        "longer": Reason.CHANGED,
        "shorter": Reason.CHANGED,
        "whole": b"x" * 10,
        "denied": Reason.UNREADABLE,
        "failing": Reason.UNREADABLE,
    }
    assert not [request for request in store.requests if "empty" in request or "large" in request]


def test_a_scan_is_identified_when_it_is_read(store: Store) -> None:
    bucket = store.bucket({"a.png": b"abc", "large.png": b"x" * (LIMIT + 1)})
    (known, _) = listing(bucket)
    refs = [ScanRef(f"s3://{bucket}/{name}.png", name) for name in ("a", "large", "gone")]
    assert read(refs) == [b"abc", Reason.TOO_LARGE, Reason.VANISHED]
    ref, _ = next(dispatch.read_contents(refs, LIMIT))
    assert (ref.size_bytes, ref.mtime_ns) == (3, known.mtime_ns)
    store.rule = answering("HEAD", (403, "AccessDenied"))
    assert read(refs[:1]) == [Reason.UNREADABLE]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((400, "ExpiredToken"), "ExpiredToken it is; check the network and the credentials"),
        ((403, "InvalidAccessKeyId"), "InvalidAccessKeyId it is; check the network and the credentials"),
        ((404, "NoSuchBucket"), "no such bucket"),
        ((0, ""), "check the network and the credentials"),
    ],
)
def test_a_failure_of_all_objects_ends_the_run(store: Store, answer: Answer, message: str) -> None:
    refs = listing(store.bucket({f"{number}.png": b"x" for number in range(3)}))
    store.rule = answering("", answer)
    with pytest.raises(InputError, match=message):
        read(refs)


def test_a_poison_object_is_a_row(store: Store) -> None:
    refs = listing(store.bucket({"a.png": b"a", "poison.png": b"p", "z.png": b"z"}))
    store.rule = answering("poison", (0, ""))
    assert read(refs) == [b"a", Reason.UNREADABLE, b"z"]


# Publishing


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    path = tmp_path / "predictions-1.csv"
    path.write_bytes(b"file,prediction\n")
    return path


def test_publishing_is_one_request_and_overwrites_nothing(store: Store, staged: Path) -> None:
    bucket = store.bucket()
    all_headers: list[Mapping[str, str]] = []
    store.rule = lambda _, headers: all_headers.append(headers)
    dispatch.storage_of("s3://").publish(staged, f"s3://{bucket}/out/{staged.name}")
    assert store.requests == [f"PUT /{bucket}/out/{staged.name}"]
    assert all_headers[0]["If-None-Match"] == "*"
    assert store.objects(bucket) == {f"out/{staged.name}": b"file,prediction\n"}
    assert not staged.exists()


def test_a_failed_precondition_means_that_the_name_is_taken(store: Store, staged: Path) -> None:
    bucket = store.bucket({staged.name: staged.read_bytes()})
    store.rule = answering("PUT", (412, "PreconditionFailed"))
    dispatch.storage_of("s3://").publish(staged, f"s3://{bucket}/{staged.name}")
    assert not staged.exists()


@pytest.mark.slow
def test_a_large_file_is_published_by_one_request(store: Store, staged: Path) -> None:
    bucket = store.bucket()
    with staged.open("wb") as file:
        file.truncate(101 << 20)  # s3fs would make several parts of it
    dispatch.storage_of("s3://").publish(staged, f"s3://{bucket}/{staged.name}")
    assert store.requests == [f"PUT /{bucket}/{staged.name}"]


def test_only_the_same_bytes_are_published_again(store: Store, staged: Path) -> None:
    target = f"s3://{store.bucket()}/{staged.name}"
    content = staged.read_bytes()
    for _ in range(2):
        staged.write_bytes(content)
        dispatch.storage_of(target).publish(staged, target)
        assert not staged.exists()
    for other_content in (b"x" + content[1:], content + b"x", content[1:]):
        staged.write_bytes(other_content)
        with pytest.raises(FileExistsError) as caught:
            dispatch.storage_of(target).publish(staged, target)
        assert (caught.value.errno, caught.value.filename) == (errno.EEXIST, target)
        assert staged.exists()


def test_a_store_without_conditions_is_asked_first(store: Store, staged: Path) -> None:
    def rule(_: str, headers: Mapping[str, str]) -> Answer | None:
        return (501, "NotImplemented") if "If-None-Match" in headers else None

    store.rule = rule
    bucket = store.bucket()
    target = f"s3://{bucket}/{staged.name}"
    content = staged.read_bytes()
    for _ in range(2):
        staged.write_bytes(content)
        dispatch.storage_of(target).publish(staged, target)
    staged.write_bytes(b"other")
    with pytest.raises(FileExistsError):
        dispatch.storage_of(target).publish(staged, target)
    assert store.objects(bucket) == {staged.name: content}
    assert staged.exists()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((403, "AccessDenied"), "access is denied"),
        ((404, "NoSuchBucket"), "NoSuchBucket it is"),
        ((500, "InternalError"), "InternalError it is"),
        ((0, ""), "Connection was closed"),
    ],
)
def test_results_stay_staged_if_publishing_fails(
    store: Store, staged: Path, answer: Answer, message: str
) -> None:
    target = f"s3://{store.bucket()}/{staged.name}"
    store.rule = answering("PUT", answer)
    with pytest.raises(
        OutboxError, match=f"cannot write {target}: .*{message}.* publishes the staged results"
    ) as caught:
        dispatch.storage_of(target).publish(staged, target)
    assert staged.exists()
    assert "\n" not in str(caught.value)


def test_an_outbox_is_checked_by_one_request(store: Store) -> None:
    outbox = f"s3://{store.bucket()}/out"
    dispatch.storage_of(outbox).check(outbox)
    assert len(store.requests) == 1
    with pytest.raises(OutboxError, match="no bucket for the outbox"):
        dispatch.storage_of(outbox).check("s3://nowhere-at-all/out")
    store.rule = answering("HEAD", (403, "AccessDenied"))
    dispatch.storage_of(outbox).check(outbox)  # credentials that may put objects may lack the right to ask
    store.rule = answering("HEAD", (0, ""))
    with pytest.raises(OutboxError, match="cannot reach the outbox"):
        dispatch.storage_of(outbox).check(outbox)


# Messages


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "Could not connect to http://me:hidden@host/x?X=hidden now",
            "Could not connect to http://host/x now",
        ),
        ("two\n  lines.", "two lines"),
        ('see "https://host/x?sig=hidden", please', 'see "https://host/x", please'),
        ("", "ValueError"),
        ("long " * 100, "long " * 40 + "..."),
    ],
)
def test_a_message_is_one_line_without_credentials(text: str, line: str) -> None:
    assert object_errors.first_line(ValueError(text)) == line


@pytest.mark.parametrize(
    ("scheme", "package", "message"),
    [
        ("s3", "s3fs", "(s3://) needs the extra 's3': pip install 'digitbox[s3]'"),
        ("gs", "gcsfs", "needs the extra 's3' and the package gcsfs: pip install 'digitbox[s3]' gcsfs"),
        ("az", "adlfs", "needs the extra 's3' and the package adlfs: pip install 'digitbox[s3]' adlfs"),
    ],
)
def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, scheme: str, package: str, message: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    objects._open.cache_clear()
    with pytest.raises(MissingExtraError) as caught:
        dispatch.storage_of(f"{scheme}://bucket/x")
    assert str(caught.value).endswith(message)
    assert caught.value.exit_code == ExitCode.MISSING_EXTRA


def test_each_process_opens_a_store_once(store: Store) -> None:
    assert objects.objects_of("s3") is objects.objects_of("s3")
    objects._open("s3", os.getpid())
    assert objects._open.cache_info().currsize == 1

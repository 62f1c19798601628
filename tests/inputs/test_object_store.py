"""The search in object storage, which must find what a search on a disk finds."""

from collections import Counter
from pathlib import Path

import pytest

from batch.errors import InputError
from batch.inputs import object_store
from batch.inputs.find import Inputs
from batch.inputs.names import Why
from batch.locations import RemoteOutbox
from batch.storage import dispatch, objects, s3
from batch.storage.object_requests import Requests
from batch.storage.objects import Objects
from stores import Store

NOWHERE = Path("/nowhere")
KEYS = (
    "a.png",
    "b.JPG",
    "b.txt",
    "c",
    ".hidden.png",
    "x.png.part",
    "é.png",
    "\U0001f600.png",
    "\uff41.png",
    "a b+c&d=%20'\"<>.png",
    "page?x=1.png",
    "[1].png",
    "=cmd.png",
    ".thumbs/1.png",
    ".thumbs/2.png",
    ".thumbs/deep/3.png",
    "__MACOSX/1.png",
    "2024/01/a.png",
    "2024/01/b.png",
    "2024/02/a.png",
    "2024/readme.txt",
    "2024-x/a.png",
    "2025/01/a.png",
    "deep/er/and/deeper/z.png",
    "deep/.er/z.png",
    "done/1.png",
    "done/.1.png",
)
FOLDERS = ("", "/2024/", "/deep")
PATTERNS = (
    "/*.png",
    "/**",
    "/**/*.png",
    "/2024/*/a.png",
    "/20*/*/*",
    "/*/**/a.png",
    "/[0-9]*/01/*",
    "/[[]1].png",
    "/????/readme.txt",
    "/.*/*.png",
)


@pytest.fixture(params=["flat", "folder by folder"])
def lister(request: pytest.FixtureRequest, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """List in pages of seven, as S3 does, or folder by folder, as the other stores do."""
    monkeypatch.setattr(s3, "KEYS_PER_PAGE", 7)
    if request.param == "folder by folder":
        plain = Objects("s3", Requests(objects.objects_of("s3").requests.files))
        monkeypatch.setattr(objects, "objects_of", lambda _: plain)


@pytest.fixture(scope="module")
def bucket(server: Store) -> str:
    return server.bucket({**{f"top/scans/{key}": b"x" for key in KEYS}, "top/scans-too/a.png": b"x"})


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk")
    for key in KEYS:
        path = folder / "scans" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def search(
    top: str, below: str, recursive: bool, ignored: tuple[str, ...] = ()
) -> tuple[list[str], Counter[Why]]:
    inputs = Inputs([f"{top}/scans{below}"], recursive, NOWHERE, ignored)
    skipped = Counter[Why]()
    inputs.show_skipped = lambda file: skipped.update([file.why])
    return [ref.name.removeprefix(f"{top}/") for ref in inputs], skipped


@pytest.mark.usefixtures("lister")
@pytest.mark.parametrize("below", [*FOLDERS, *PATTERNS])
def test_a_bucket_is_searched_like_a_folder(bucket: str, disk: Path, below: str) -> None:
    top = f"s3://{bucket}/top"
    assert search(top, below, True) == search(str(disk), below, True)
    if below in FOLDERS:
        assert search(top, below, False) == search(str(disk), below, False)
        ignored = ("a*", "0[12]", "er")
        assert search(top, below, True, ignored) == search(str(disk), below, True, ignored)


@pytest.mark.usefixtures("lister")
def test_a_listing_identifies_the_scans(bucket: str) -> None:
    (ref,) = Inputs([f"s3://{bucket}/top/scans/2025"], True, NOWHERE)
    assert (ref.path, ref.name) == (f"s3://{bucket}/top/scans/2025/01/a.png", "01/a.png")
    assert ref.size_bytes == 1 and ref.inode > 0
    assert ref.mtime_ns > 0 and ref.mtime_ns % 10**9 == 0
    # Listings of some servers have fractions of a second that other requests lack.
    (alone,) = Inputs([ref.path], True, NOWHERE)
    assert (alone.name, alone.size_bytes, alone.mtime_ns) == (ref.path, 1, ref.mtime_ns)
    assert alone.inode == ref.inode


@pytest.mark.usefixtures("lister")
def test_objects_know_where_they_were_found(bucket: str, disk: Path) -> None:
    top = f"s3://{bucket}/top/scans"

    def sources(*inputs: str) -> set[str]:
        return {ref.source for ref in Inputs(inputs, True, NOWHERE)}

    assert sources(f"s3://{bucket}") == sources(f"s3://{bucket}/") == {f"s3://{bucket}"}
    assert sources(top) == sources(f"{top}/") == sources(f"{top}/*/01/*") == {top}
    assert sources(f"{top}/2024/01/a.png") == {f"{top}/2024/01"}
    assert sources(f"{top}/2024", str(disk / "scans" / "done")) == {
        f"{top}/2024",
        str(disk / "scans" / "done"),
    }
    (ref,) = Inputs([f"{top}/2024/02"], True, NOWHERE)
    ((read, _),) = dispatch.read_contents([ref._replace(size_bytes=-1)], 100)
    assert read.source == f"{top}/2024/02"


@pytest.mark.usefixtures("lister")
def test_names_of_several_inputs_are_as_written(bucket: str, disk: Path) -> None:
    top = f"s3://{bucket}/top/scans"
    inputs = Inputs([f"{top}/2024/01/", str(disk / "scans" / "done"), f"{top}/[1].png"], True, NOWHERE)
    assert [ref.name for ref in inputs] == [
        f"{top}/2024/01/a.png",
        f"{top}/2024/01/b.png",
        str(disk / "scans" / "done" / "1.png"),
        f"{top}/[1].png",  # an object of that name comes before a pattern
    ]
    assert inputs.folders == [disk / "scans" / "done"]


@pytest.mark.usefixtures("lister")
def test_the_outbox_is_never_searched(bucket: str) -> None:
    outbox = RemoteOutbox(f"s3://{bucket}/top/scans/2024")
    names = [ref.name for ref in Inputs([f"s3://{bucket}/top/scans"], True, outbox)]
    assert [name for name in names if name.startswith("2024")] == ["2024-x/a.png"]


@pytest.mark.usefixtures("lister")
def test_objects_that_stand_for_folders_are_not_scans(store: Store) -> None:
    bucket = store.bucket(
        {"top/": b"", "top/sub/": b"", "top/sub/a.png": b"x", "top/.old/": b"", "top/e.png/": b""}
    )
    inputs = Inputs([f"s3://{bucket}/top/"], True, NOWHERE)
    assert [ref.name for ref in inputs] == ["sub/a.png"]


def test_odd_keys_are_scans_or_skipped(store: Store) -> None:
    keys = ("a//b.png", "/c.png", "d/../e.png", "./f.png", "g?versionId=1.png", "h/./i.png")
    bucket = store.bucket({f"top/{key}": b"x" for key in keys})
    inputs = Inputs([f"s3://{bucket}/top"], True, NOWHERE)
    assert [ref.name for ref in inputs] == ["/c.png", "a//b.png"]
    assert inputs.skipped == 4


def test_a_large_bucket_is_listed_page_by_page(
    store: Store, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "KEYS_PER_PAGE", 3)
    scans = iter(Inputs([f"s3://{bucket}/top/scans"], True, NOWHERE))
    store.requests.clear()
    next(scans)
    assert len(store.requests) <= 5
    assert len(list(scans)) > 10
    assert len(store.requests) >= len(KEYS) / 3


def test_the_literal_beginning_of_a_pattern_is_requested(store: Store, bucket: str) -> None:
    list(Inputs([f"s3://{bucket}/top/scans/2024-*/*.png"], True, NOWHERE))
    assert any("prefix=top%2Fscans%2F2024-&" in request for request in store.requests)


@pytest.mark.parametrize(
    ("below", "message"),
    [
        ("top/nothing", "nothing is at s3://"),
        ("top/scan", "nothing is at s3://"),
        ("top/scans/a.png/", "nothing is at s3://"),
        ("top/scans/x*.png", "nothing matches s3://"),
        ("top/none/**", "nothing matches s3://"),
    ],
)
def test_a_missing_input_has_a_message(bucket: str, below: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Inputs([f"s3://{bucket}/{below}"], True, NOWHERE)


def test_only_a_pattern_with_a_star_may_match_nothing(bucket: str) -> None:
    assert list(Inputs([f"s3://{bucket}/top/none/*.png"], True, NOWHERE, may_be_empty=True)) == []
    for name in ("Scans [2026]", "Scans [2026]/", "why?"):
        with pytest.raises(InputError, match="nothing matches s3://"):
            Inputs([f"s3://{bucket}/top/{name}"], True, NOWHERE, may_be_empty=True)


def test_an_empty_bucket_is_not_a_missing_bucket(store: Store) -> None:
    assert list(Inputs([f"s3://{store.bucket()}/"], True, NOWHERE)) == []
    for below in ("", "/", "/x", "/x/", "/*.png"):
        with pytest.raises(InputError, match="no such bucket: s3://nowhere-at-all;"):
            Inputs([f"s3://nowhere-at-all{below}"], True, NOWHERE)


def test_a_denied_listing_has_a_message(store: Store, bucket: str) -> None:
    store.rule = lambda request, _: (403, "AccessDenied") if "list-type" in request else None
    with pytest.raises(InputError, match=r"access to s3://.* is denied \(AccessDenied it is\): allow these"):
        list(
            object_store.find_objects(
                f"s3://{bucket}/top", recursive=True, is_only=True, outbox=NOWHERE, ignored=()
            )
        )
    store.rule = lambda request, _: (403, "AccessDenied") if request.startswith("HEAD") else None
    for below in ("top/scans", "top/scans/20*/*/*.png"):  # digitbox may not ask for an object of this name
        assert next(iter(Inputs([f"s3://{bucket}/{below}"], True, NOWHERE)), None) is not None
    with pytest.raises(InputError, match=r"access to s3://.* is denied"):
        Inputs([f"s3://{bucket}/top/scans/a.png"], True, NOWHERE)


@pytest.mark.usefixtures("lister")
def test_an_object_that_two_addresses_name_is_found_once(bucket: str) -> None:
    top = f"s3://{bucket}/top/scans"
    inputs = Inputs([f"{top}/2024", f"{top}/2024/01/a.png", f"{top}/202?/01/*", f"{top}/2024"], True, NOWHERE)
    names = [ref.name.removeprefix(f"{top}/") for ref in inputs]
    assert names == ["2024/01/a.png", "2024/01/b.png", "2024/02/a.png", "2025/01/a.png"]

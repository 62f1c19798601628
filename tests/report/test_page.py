import base64
import hashlib
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.errors import ConfigError, OutboxError
from batch.records import Reason, Status
from batch.report import page, pictures, rows, write
from batch.report.rows import Entry, ReportRows
from batch.results.corrected import Correction
from batch.results.reader import Row
from published import NOON, four, outcome, publish, scan

DAY = timedelta(days=1)
HOSTILE = [
    "</script><script>alert(1)</script>.png",
    "<!--<script>.png",
    "<img src=x onerror=alert(1)>.png",
    "'\"`${alert(1)}&lt;$data{{data}}.png",
    "=cmd|'/c calc'!A1.png",
    "a\u2028b\u202e\x1b[31m\nc.png",
]


def content(text: str, element: str = "data") -> dict[str, Any]:
    (data,) = re.findall(rf'<script type="application/json" id="{element}">(.*?)</script>', text, re.DOTALL)
    return json.loads(data)


def page_of(names: list[str], live: dict[str, Any] | None = None) -> str:
    entries = [
        Entry(
            Row(name, 1, 0.5, Status.OK, name, "0" * 64, name, name, "2026-01-02T12:00:00Z", source=name),
            (name,),
            Correction(
                file=name,
                sha256="",
                said=name,
                corrected=name,
                corrected_by=name,
                reviewed_at=name,
                applied_at=name,
                comment=name,
            ),
        )
        for name in names
    ]
    return page.html(ReportRows(entries), {}, NOON, names[0], live)


def check_is_inert(text: str) -> None:
    assert re.findall(r"<(script|style)\b[^>]*>", text) == ["style", "script", "script", "script"]
    assert text.count("</script") == 3
    assert len(re.findall("<!--", text)) == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text(name: str) -> None:
    text = page_of([name])
    check_is_inert(text)
    columns = content(text)["columns"]
    assert columns["file"] == [name]
    assert columns["source"] == {"values": [name], "codes": [0]}
    assert columns["answers"]["0"]["comment"] == name
    assert content(text)["outbox"] == name


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_of_a_row_is_data(names: list[str]) -> None:
    text = page_of(names)
    check_is_inert(text)
    assert content(text)["columns"]["file"] == names


@pytest.mark.parametrize("live", [None, {"by": "<Anna>"}])
def test_policy_allows_only_its_own_script_and_style(live: dict[str, Any] | None) -> None:
    text = page_of(["a.png"], live)
    check_is_inert(text)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    (script,) = re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)
    for part, name in ((style, "style"), (script, "script")):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert ("'self'" in policy) == (live is not None)  # a page that stands alone asks nobody
    assert "unsafe" not in policy
    assert not re.search(r"https?://", text)


def test_the_script_makes_no_markup() -> None:
    script = "\n".join(page._read_asset(name) for name in page.SCRIPTS)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", script
    )


def test_every_reason_has_words() -> None:
    assert set(page.REASONS) == set(Reason)


def test_answers_of_two_outboxes_of_one_name_are_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_model: Path
) -> None:
    """A browser keeps those of all pages on the disk in one place."""
    stores = []
    for folder in ("a", "b", "a"):
        publish(tmp_path / folder / "out", four(tmp_path / "scans"))
        monkeypatch.chdir(tmp_path / folder)
        (tmp_path / folder / "out" / "report.html").unlink(missing_ok=True)
        report_rows, _ = write.plan(rows.find_sources([Path("out")]), 0)
        path = write.write(report_rows, [], Path("out/report.html"), pictures.Models(), lambda _: None, NOON)
        stores.append(content(path.read_text())["store"])
    assert stores[0] == stores[2] != stores[1]


def write_report(tmp_path: Path, max_pictures: int = 100, output: Path | None = None) -> tuple[str, Path]:
    report_rows, indices = write.plan(rows.find_sources([tmp_path / "out"]), max_pictures)
    path = write.write(report_rows, indices, output, pictures.Models(), lambda _: None, NOON)
    return path.read_text(encoding="utf-8"), path


@pytest.mark.usefixtures("fake_model")
def test_scans_have_pictures_and_the_doubtful_have_views(tmp_path: Path) -> None:
    publish(tmp_path / "out", four(tmp_path / "scans"))
    text, path = write_report(tmp_path)
    assert path == tmp_path / "out" / "report-20260102T120000Z.html"
    shown = content(text, "pictures")
    assert set(shown["scan"]) == {"0", "1", "3"}
    data = np.frombuffer(base64.b64decode(shown["scan"]["0"]), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    assert picture is not None and picture.shape == (40, 30) and picture[20, 14] < 60 < 200 < picture[2, 2]
    assert set(shown["views"]) == {"0", "1"}
    assert len(shown["others"]["0"]) == 2 and 7 not in shown["others"]["0"]  # 7 is the prediction
    assert shown["problem"] == {"2": "undecodable"}


@pytest.mark.usefixtures("fake_model")
def test_gone_and_changed_scans_have_no_picture(tmp_path: Path) -> None:
    publish(tmp_path / "out", four(tmp_path / "scans"))
    (tmp_path / "scans" / "unsure.png").unlink()
    scan(tmp_path / "scans", "blank.png", 9)
    (tmp_path / "scans" / "sure.png").write_bytes(b"no image any more")
    shown = content(write_report(tmp_path)[0], "pictures")
    assert shown["problem"] == {"0": "gone", "1": "changed", "2": "undecodable", "3": "changed"}
    assert shown["scan"] == {}


def test_another_model_gives_no_views(tmp_path: Path) -> None:
    publish(tmp_path / "out", four(tmp_path / "scans"), model="of-somebody-else")
    shown = content(write_report(tmp_path)[0], "pictures")
    assert shown["others"] == shown["views"] == {}
    assert shown["scan"]


def test_report_does_not_follow_a_link(tmp_path: Path) -> None:
    ref = scan(tmp_path / "scans", "a.png")
    publish(tmp_path / "out", [outcome(ref)])
    secret = Path(ref.path).rename(tmp_path / "secret.png")
    Path(ref.path).symlink_to(secret)
    assert content(write_report(tmp_path)[0], "pictures")["problem"] == {"0": "changed"}


def test_the_doubtful_come_first_then_a_sample() -> None:
    def entry(status: Status) -> Entry:
        return Entry(Row("a", 1, 0.5, status, "", "", "b", "m", ""), ("a",))

    entries = [*[entry(Status.REVIEW)] * 3, *[entry(Status.OK)] * 97]
    assert pictures.choose(entries, 100) == list(range(100))
    assert pictures.choose(entries, 2) == [0, 1]
    assert pictures.choose(entries, 6) == [0, 1, 2, 3, 51, 99]
    assert pictures.choose(entries, 0) == []


def test_report_overwrites_nothing(tmp_path: Path) -> None:
    publish(tmp_path / "out", four(tmp_path / "scans"))
    assert [write_report(tmp_path)[1].name for _ in range(2)] == [
        "report-20260102T120000Z.html",
        "report-20260102T120000Z-2.html",
    ]
    mine = tmp_path / "mine.html"
    mine.write_text("mine")
    with pytest.raises(ConfigError, match=r"mine\.html exists"):
        write_report(tmp_path, output=mine)
    assert mine.read_text() == "mine"
    with pytest.raises(OutboxError, match="cannot write"):
        write_report(tmp_path, output=tmp_path / "none" / "report.html")


def test_the_same_scan_has_the_same_key(tmp_path: Path) -> None:
    outcomes = four(tmp_path / "scans")
    publish(tmp_path / "out", outcomes)
    first = content(write_report(tmp_path)[0])["columns"]
    publish(tmp_path / "out", [outcomes[0], outcome(scan(tmp_path / "else", "sure.png"))], now=NOON + DAY)
    second = content(write_report(tmp_path)[0])["columns"]
    keys = [dict(zip(columns["key"], columns["file"], strict=True)) for columns in (first, second)]
    assert keys[0].items() < keys[1].items()
    assert [name for key, name in keys[1].items() if key not in keys[0]] == ["sure.png"]

"""What tests of a served page ask of its rows."""

import json
from typing import Any

from batch.report.live import LiveRows


def keys(rows: LiveRows) -> dict[str, str]:
    columns = rows.changes(0, 0)["columns"]
    return dict(zip(columns["file"], columns["key"], strict=True))


def said(key: str, corrected: str, comment: str = "") -> dict[str, str]:
    return {"key": key, "corrected": corrected, "comment": comment, "reviewed_at": "2026-01-02T13:00:00Z"}


def page_data(rows: LiveRows) -> dict[str, Any]:
    """Return what the script of the page gets, if somebody loads it now."""
    start = '<script type="application/json" id="data">'
    return dict(json.loads(rows.html().partition(start)[2].partition("</script>")[0]))

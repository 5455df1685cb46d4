"""Tables whose cells are texts: no markup, nothing that commands a terminal, wherever it stands."""

from __future__ import annotations

import pytest

from orchestrator.cli.output.output import Output
from orchestrator.cli.output.table import TextTable, visible_text

HOSTILE = "\x1b[1m[red]a[/red]"
SEEN = "␛[1m[red]a[/red]"


def test_no_string_in_a_table_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = TextTable(f"T{HOSTILE}")
    table.add_column(f"H{HOSTILE}")
    table.add_row(f"C{HOSTILE}")
    table.add_row(visible_text(f"S{HOSTILE}", style="bold"))
    Output(width=60).draw(table)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    for place in "THCS":
        assert f"{place}{SEEN}" in shown


def test_a_text_of_parts_keeps_their_styles() -> None:
    text = visible_text(("✓ ", "green"), "held\x1b", style="dim")
    assert text.plain == "✓ held␛"
    assert [(span.start, span.end, span.style) for span in text.spans] == [(0, 2, "green")]
    assert text.style == "dim"

"""Rich's tables and texts, into which strings go made visible and never as markup."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.text.visible import visible


class TextTable(Table):
    """A table whose titles and cells are texts, whoever wrote them."""

    def __init__(self, title: str | None = None, *, title_style: str = "table.title", **options: Any) -> None:
        shown = None if title is None else visible_text(title, style=title_style)
        super().__init__(title=shown, title_justify="left", **options)

    def add_column(self, header: RenderableType = "", *arguments: Any, **options: Any) -> None:
        """A column; its header becomes a text."""
        super().add_column(visible_text(header) if isinstance(header, str) else header, *arguments, **options)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """A row; strings in it become texts."""
        super().add_row(*(visible_text(cell) if isinstance(cell, str) else cell for cell in cells), **options)


def visible_text(*parts: str | tuple[str, str], style: str = "") -> Text:
    """A text of these parts, each with its own style or none."""
    styled = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((visible(text), own) for text, own in styled), style=style)

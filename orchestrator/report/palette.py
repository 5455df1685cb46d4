"""Colours of the plots, told apart also without colour vision, and with contrast on their background."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.values import Value

MARKS = ("o", "s", "^", "D", "v", "P")


class Palette(Value):
    """Colours as `#rrggbb`."""

    text: str
    muted: str
    grid: str
    background: str
    series: tuple[str, ...]

    def names(self) -> Mapping[str, str]:
        """Each colour by the name that stands for it in CSS."""
        plain = {"text": self.text, "muted": self.muted, "grid": self.grid, "background": self.background}
        return plain | {f"s{number}": colour for number, colour in enumerate(self.series)}


LIGHT = Palette(
    text="#1c2330",
    muted="#586174",
    grid="#e4e7ec",
    background="#ffffff",
    series=("#0b62c4", "#b3470d", "#0a7a55", "#8a3ab9", "#8f6a00", "#b8255f"),
)
DARK = Palette(
    text="#e6eaf2",
    muted="#98a2b3",
    grid="#333c4d",
    background="#171c26",
    series=("#6cb0ff", "#ff9a5c", "#4fd1a1", "#cf9bf2", "#e3bb4a", "#ff85ad"),
)

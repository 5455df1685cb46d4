"""matplotlib's SVG made fit for a page: no style attributes, no names that clash, colours by CSS class, words for those
who do not see it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from orchestrator.report.palette import DARK, LIGHT, Palette

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_DECIMALS = re.compile(r"(\d+\.\d\d)\d+")
_SIZE = re.compile(r"([\d.]+)px")
# What CSS classes say instead, or the page's own letters.
_PAINTS = {"fill": "f", "stroke": "s"}


def inline(document: str, name: str, title: str, description: str) -> str:
    """An `<svg>` element for a page.

    Args:
        name: distinct in the page; letters, digits and `-` only.
    """
    root = _cleaned(document, name)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(place, element)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def standalone(document: str, name: str, title: str, description: str) -> str:
    """A whole SVG file, in light or dark as its reader has it."""
    markup = inline(document, name, title, description)
    style = f"<style>{colours(LIGHT)}@media (prefers-color-scheme:dark){{{colours(DARK)}}}{RULES}</style>"
    opening, rest = markup.split(">", 1)
    return f'{opening} xmlns="http://www.w3.org/2000/svg">{style}{rest}\n'


def colours(palette: Palette) -> str:
    """The CSS variables of a palette."""
    return ":root{" + "".join(f"--{name}:{colour};" for name, colour in palette.names().items()) + "}"


def _rules() -> Iterator[str]:
    yield ".plot text{font-family:system-ui,sans-serif;stroke:none}"
    yield ".plot *{stroke-linejoin:round;stroke-linecap:butt}"
    for name in LIGHT.names():
        yield f".f-{name}{{fill:var(--{name})}}.s-{name}{{stroke:var(--{name})}}"


RULES = "".join(_rules())


def _cleaned(document: str, name: str) -> ElementTree.Element:
    root = ElementTree.fromstring(document)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag not in (f"{_SVG}{tag}" for tag in ("g", "path", "text", "tspan", "use", "defs", "rect")) and (
                child.tag != f"{_SVG}clipPath"
            ):
                parent.remove(child)
    used = set()
    for element in root.iter():
        for value in element.attrib.values():
            used.update(_REFERENCE.findall(value))
        used.update([element.attrib[_LINK].lstrip("#")] if _LINK in element.attrib else [])
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.set("viewBox", box)
    root.set("class", "plot")
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        _clean(element, name, used)
    return root


def _clean(element: ElementTree.Element, name: str, used: set[str]) -> None:
    attributes = dict(element.attrib)
    element.attrib.clear()
    classes = [attributes.pop("class")] if "class" in attributes else []
    style = attributes.pop("style", "")
    if (own := attributes.pop("id", None)) in used:
        element.set("id", f"{name}-{own}")
    if (link := attributes.pop(_LINK, None)) is not None:
        element.set("href", f"#{name}-{link.lstrip('#')}")
    for key, value in attributes.items():
        element.set(key, _DECIMALS.sub(r"\1", _REFERENCE.sub(rf"url(#{name}-\1)", value)))
    named = {colour: key for key, colour in LIGHT.names().items()}
    for part in style.split(";"):
        key, _, value = (piece.strip() for piece in part.partition(":"))
        if key in _PAINTS and value in named:
            classes.append(f"{_PAINTS[key]}-{named[value]}")
        elif key == "font" or key == "font-size":
            size = _SIZE.search(value)
            if size is not None:
                element.set("font-size", size.group(1))
        elif key and key != "font-family":
            element.set(key, _DECIMALS.sub(r"\1", value))
    if element.tag == "text" and not any(name_.startswith("f-") for name_ in classes):
        classes.append("f-text")
    if classes:
        element.set("class", " ".join(classes))

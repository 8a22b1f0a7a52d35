"""Figures as inline SVG: pygal draws, the page colours, so that light and dark are one file."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import pygal

# pygal finds plugins by a hook of a kind that Python 3.12 has done away with; 3.11 warns of it at each later import.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "PluginImportFixer"]

WIDTH, HEIGHT = 440, 220
MAX_LABEL = 16
Points = Sequence[tuple[float, float]]
_SVG = "{http://www.w3.org/2000/svg}"
_DROPPED = ("script", "style", "desc", "defs", "title")
"""Scripts, a style sheet for each chart, and what tooltips show."""


def bars(labels: Sequence[str], series: Mapping[str, Sequence[float]], caption: str) -> str:
    """A group of bars for each label, a bar for each series."""
    return _labelled(pygal.Bar(**_options(len(labels)), spacing=2), labels, 6, series, caption)


def lines(labels: Sequence[str], series: Mapping[str, Sequence[float | None]], caption: str) -> str:
    """A line for each series over the labels."""
    return _labelled(pygal.Line(**_options(len(labels)), dots_size=3), labels, 5, series, caption)


def curves(series: Mapping[str, Points], caption: str) -> str:
    """A line for each series through its points."""
    chart = pygal.XY(**_options(0), dots_size=2)
    for name, points in series.items():
        chart.add(name, list(points))
    return _svg(chart, caption)


def _labelled(
    chart: Any, labels: Sequence[str], shown: int, series: Mapping[str, Sequence[float | None]], caption: str
) -> str:
    """The chart with its series; about `shown` of the labels are written."""
    chart.x_labels = [label[:MAX_LABEL] for label in labels]
    chart.x_labels_major = chart.x_labels[:: max(1, len(labels) // shown)]
    for name, values in series.items():
        chart.add(name, list(values))
    return _svg(chart, caption)


def _options(labels: int) -> dict[str, Any]:
    return {
        "width": WIDTH, "height": HEIGHT, "explicit_size": True, "margin": 4, "js": [], "legend_at_bottom": True,
        "disable_xml_declaration": True, "show_minor_x_labels": labels <= 6, "truncate_legend": 40,
        "legend_box_size": 10, "truncate_label": -1,
    }  # fmt: skip


def _svg(chart: Any, caption: str) -> str:
    root = chart.render_tree()
    _strip(root)
    root.attrib.pop("id", None)
    root.attrib |= {"role": "img", "aria-label": caption}
    ElementTree.register_namespace("", _SVG.strip("{}"))
    return ElementTree.tostring(root, encoding="unicode")


def _strip(element: Any) -> None:
    for child in list(element):
        tag = child.tag if isinstance(child.tag, str) else ""
        if not tag or tag.removeprefix(_SVG) in _DROPPED:  # a comment has a function for its tag
            element.remove(child)
        else:
            child.attrib.pop("style", None)
            _strip(child)

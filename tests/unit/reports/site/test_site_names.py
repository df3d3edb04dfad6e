from __future__ import annotations

from site_runs import HOSTILE
from tfmatrix.reports.site.names import printable, shown, slugs


def test_shown_is_one_printable_line():
    for text in (*HOSTILE, "a\nb", "x" * 1000):
        assert shown(text).isprintable()
        assert len(shown(text)) <= 120
        shown(text).encode("utf-8")


def test_printable_keeps_lines():
    assert printable("a\n\tb\x1b[0m\u202e") == "a\n\tb\\x1b[0m\\u202e"


def test_slugs_are_safe_and_different():
    names = ["dense", "Dense", "a/b", "a b", "..", "", *HOSTILE]
    found = slugs(names)
    assert len({slug.casefold() for slug in found.values()}) == len(set(names))
    for slug in found.values():
        assert slug.strip(".")
        assert not set(slug) & set('/\\<>:"|?*% \n')
    assert slugs(["dense"])["dense"] == "dense"

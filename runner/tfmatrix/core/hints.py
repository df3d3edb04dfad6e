"""Did-you-mean, said the same way everywhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(word: str, options: Iterable[str]) -> str | None:
    """The option that `word` was probably meant to be, or None; upper and lower case count as the same."""
    by_folded = {option.casefold(): option for option in options}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """`did you mean "option"?`, or nothing where no option is near."""
    option = closest(word, options)
    return f'did you mean "{option}"?' if option else ""


def nearest(words: Iterable[str], options: Iterable[str], *, most: int = 5) -> str:
    """`a, b, c`: all options where they are few, else those nearest to the words, and how many there are.

    Somebody mistyped one of 181 names: the other 180 only push what counts off the screen.
    """
    listed = list(dict.fromkeys(options))
    if len(listed) <= most:
        return ", ".join(listed)
    asked = [word.casefold() for word in words if word]

    def distance(option: str) -> float:
        return -max((difflib.SequenceMatcher(None, word, option.casefold()).ratio() for word in asked), default=0.0)

    shown = sorted(listed, key=distance)[:most]
    return f"{', '.join(shown)}, … ({len(listed)} in all)"


def one_of(options: Iterable[str], *, most: int = 20) -> str:
    """`one of: a, b, c`, cut after `most` options."""
    listed = list(options)
    if not listed:
        return "nothing: there is none to choose from"
    cut = "" if len(listed) <= most else f", … ({len(listed)} in all)"
    return "one of: " + ", ".join(listed[:most]) + cut

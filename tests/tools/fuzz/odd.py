"""Odd values, odd pieces of text, and what is done to text, data and bytes. All by the dice that are handed in."""

import copy
import math
import re
from collections.abc import Sequence
from random import Random
from typing import Any

#: Whole numbers at which something ends, and some that nobody means.
NUMBERS = (0, 1, -1, 2, 3, 7, 64, 10**9, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 10**400)
FLOATS = (0.0, -0.0, 0.5, 1e-3, 1.5, 1e308, -1e308, 5e-324, 1e-300, math.nan, math.inf, -math.inf)
WORDS = (
    "", " ", "a", "A b", "nan", "inf", "null", "~", "true", "on", "1", "-1", "1e5", "0x10", "1_0", "0..3", "3..0",
    "auto", "seed", "agents", "name", "é", "日本語", "ß", "ı", "\u202e", "\u2028", "\ufeff", "\x00", "\x07", "\x7f",
    "\x1b[31m", "\ud800", "\U0010ffff", "a\nb", "a\tb", "\r", "..", ".", "/", "a/b", "../../x", "a//b", "%s", "{}",
    "{0}", "'", '"', "`", "$$", "\\", ";", "--", "-", "=", "a=b", "*", "&a", "<b>", "a" * 300, "é" * 5000, "1" * 5000,
)  # fmt: skip
PLAIN = (True, False, None)
PIECES = (
    *WORDS, "[", "]", "{", "}", ":", ": ", "- ", ",", "#", "!!python/name:os.system ", "!!binary ", "!!set ", "!x ",
    "&a ", "*a", "<<: *a\n", "---\n", "...\n", "%YAML 9.9\n", "? ", "| ", ">-\n", "\t", "\n", "\n\n", "  ",
)  # fmt: skip


def value(dice: Random, depth: int = 0) -> Any:
    """Plain data: most often a number or a word, now and then nested."""
    kind = dice.randrange(12)
    if kind < 3:
        return dice.choice(NUMBERS)
    if kind < 5:
        return dice.choice(FLOATS)
    if kind < 8:
        return dice.choice(WORDS)
    if kind == 8 or depth > 2:
        return dice.choice(PLAIN)
    if kind == 9:
        return [value(dice, depth + 1) for _ in range(dice.choice((0, 1, 2, 3)))]
    if kind == 10:
        return {dice.choice(WORDS): value(dice, depth + 1) for _ in range(dice.choice((0, 1, 2)))}
    return nested(dice.choice((5, 60)))


def nested(depth: int) -> Any:
    """A list in a list, so many deep."""
    inside: Any = 1
    for _ in range(depth):
        inside = [inside]
    return inside


def garbled(dice: Random, text: str, times: int = 3) -> str:
    """``text`` after a few changes of the kind that slips, bad copies and wrong encodings make."""
    for _ in range(dice.randint(1, times)):
        text = _changed(dice, text)
    return text


def _changed(dice: Random, text: str) -> str:
    begin = dice.randint(0, len(text))
    end = min(len(text), begin + dice.choice((1, 3, 20, 200)))
    kind = dice.randrange(6)
    if kind == 0:
        return text[:begin] + text[end:]
    if kind == 1:
        return text[:end] + text[begin:]
    if kind == 2:
        return text[:begin] + dice.choice(PIECES) + text[begin:]
    if kind == 3:
        return text[:begin] + dice.choice(PIECES) + text[end:]
    if kind == 4:
        places = list(re.finditer(r"\d+(\.\d+)?", text))
        at = dice.choice(places).span() if places else (begin, end)
        return text[: at[0]] + str(dice.choice((*NUMBERS, *FLOATS))) + text[at[1] :]
    lines = text.splitlines(keepends=True)
    dice.shuffle(lines) if len(lines) < 4 else lines.insert(dice.randrange(len(lines)), dice.choice(lines))
    return "".join(lines)


def typed(words: Sequence[str]) -> tuple[str, ...]:
    """Words as a process can be given them: without zeros, and a byte that is no text instead of half a pair."""
    return tuple(word.replace("\0", "").replace("\ud800", "\udc80") for word in words)


def rearranged(dice: Random, content: Any, times: int = 2) -> Any:
    """A copy of nested data, with keys removed, renamed, doubled and moved, and with odd values."""
    content = copy.deepcopy(content)
    for _ in range(dice.randint(1, times)):
        spots = list(_spots(content))
        if not spots:
            return value(dice)
        holder, key = dice.choice(spots)
        _rearrange(dice, holder, key, spots)
    return content


def _rearrange(dice: Random, holder: Any, key: Any, spots: list[tuple[Any, Any]]) -> None:
    kind = dice.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[dice.choice((*WORDS, f"{key}s", key[:-1]))] = holder.pop(key)
    elif kind == 2:
        other, place = dice.choice(spots)
        holder[key] = copy.deepcopy(other[place]) if place in other or isinstance(other, list) else None
    elif kind == 3:
        holder[key] = [holder[key]]
    elif kind == 4:
        holder[key] = {dice.choice(WORDS): holder[key]}
    elif kind == 5 and isinstance(holder, list):
        holder.extend(holder[:] * dice.choice((1, 5)))
    else:
        holder[key] = value(dice)


def _spots(content: Any) -> Any:
    """(container, key) of everything inside."""
    keys = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in keys:
        yield content, key
        yield from _spots(content[key])


def damaged(dice: Random, data: bytes) -> bytes:
    """``data`` with bytes flipped, lost, doubled, or replaced."""
    kind = dice.randrange(7)
    at = dice.randint(0, max(len(data) - 1, 0))
    length = dice.choice((1, 8, 100))
    if kind == 0 and data:
        return data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]
    if kind == 1:
        return data[:at]
    if kind == 2:
        return data[:at] + dice.randbytes(length) + data[at + length :]
    if kind == 3:
        return data[:at] + data[at + length :]
    if kind == 4:
        return dice.choice((b"", b"\0", b"PAR1", b"PAR1PAR1", b"{}", b"[]", b"null", b"nan", b"{" * 3000, b"\xff\xfe"))
    if kind == 5:
        return data[:at] + bytes(length) + data[at + length :]
    return garbled(dice, data.decode("latin-1")).encode("latin-1", "replace")

"""Money: integer fen (分), rates as Decimal, rounded half up once per line (C10)."""

from decimal import ROUND_HALF_UP, Decimal

MOST_DIGITS = 12  # of an amount in yuan that is typed: fen still fit eight bytes


def round_half_up(amount: Decimal) -> int:
    """``amount`` as a whole number, halves away from zero (四舍五入): a credit rounds like its charge."""
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def share_of(fen: int, rate: Decimal) -> int:
    """``fen`` times ``rate`` (0.06 for 6 %) in whole fen, rounded half up once."""
    return round_half_up(Decimal(fen) * rate)


def format_fen(fen: int) -> str:
    """``1661250`` as ``¥16,612.50``; a credit as ``-¥37.50``."""
    yuan, rest = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}¥{yuan:,}.{rest:02d}"


def parse_yuan(text: str) -> int:
    """``150``, ``150.5`` or ``¥1,234.50`` in fen.

    Raises ValueError for anything else, a third decimal included: a price of half a fen is a typing error.
    """
    plain = text.strip().replace(",", "").replace("，", "").lstrip("¥￥")
    whole, _, decimals = plain.partition(".")
    sign = -1 if whole.startswith("-") else 1
    digits = whole.removeprefix("-")
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"more than {MOST_DIGITS} digits before the point")
    if not (digits + decimals).isascii() or not digits.isdigit() or len(decimals) > 2:
        raise ValueError(f"not an amount in yuan: {text!r}")
    if decimals and not decimals.isdigit():
        raise ValueError(f"not an amount in yuan: {text!r}")
    return sign * (int(digits) * 100 + int(decimals.ljust(2, "0")))

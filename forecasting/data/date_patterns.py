"""Patterns of the ways in which people write dates, with the parts they give by name."""

_WORD = r"[^\W\d_]+"


_MONTH = rf"(?P<mon>{_WORD})"


_YEAR = r"(?P<y>\d{4}|'?\d{2})"


_CLOCK = (
    r"(?: (?P<H>\d{1,2})(?:[:hH.](?P<M>\d{2})(?:[:.](?P<S>\d{2})(?P<F>[.,]\d+)?)?| ?(?=[AaPp]))"
    r"\s?(?:(?P<ap>[AaPp])\.?[Mm]\.?)?(?: Uhr| h)?)?"
)


_Q = r"(?:Q|T|K|Qtr|Quarter|Quartal|trimestre|trim|kwartał|kvartal)"


_W = r"(?:W|KW|CW|V|wk|week|Woche|semaine|semana|uke|vecka|uge)"


# The first that fits all texts counts, so what is more particular comes first.
PATTERNS: tuple[tuple[str, str], ...] = (
    (rf"(?P<y>\d{{4}})[-/ :.]?{_Q}[- .]?(?P<q>[1-4])", "quarters"),
    (rf"{_Q}\.?[- ]?(?P<q>[1-4])[-/ ,.:]*{_YEAR}", "quarters"),
    (rf"(?P<q>[1-4])(?:st|nd|rd|th|er|ème|e|\.|º)?[- ]?{_Q}\.?[-/ ,]*(?:of |de )?{_YEAR}", "quarters"),
    (r"(?P<y>\d{4}) ?年? ?第?(?P<q>[1-4一二三四]) ?(?:季度|季|四半期)", "quarters"),
    (r"(?P<y>\d{4})년 ?(?P<q>[1-4])분기", "quarters"),
    (r"(?P<y>\d{4})[-/ ]?[HS](?P<h>[12])", "half years"),
    (rf"[HS](?P<h>[12])[-/ ]*{_YEAR}", "half years"),
    (rf"(?P<y>\d{{4}})[-/ ]?(?:{_W}|S)[- .]?(?P<w>\d{{1,2}})(?:-(?P<wd>[1-7]))?", "weeks (ISO)"),
    (rf"(?:{_W}|S)\.?[- ]?(?P<w>\d{{1,2}})[-/ ,.]+{_YEAR}", "weeks (ISO)"),
    (r"(?P<y>\d{4}) ?年 ?第?(?P<w>\d{1,2}) ?[周週]", "weeks (ISO)"),
    (
        r"(?P<y>\d{4}) ?[年년] ?(?P<m>\d{1,2}) ?[月월](?: ?(?P<d>\d{1,2}) ?[日号일])?"
        r"(?: ?(?P<H>\d{1,2}) ?[時时点시](?: ?(?P<M>\d{1,2}) ?[分분])?)?",
        "year, month",
    ),
    (r"(?P<y>\d{4}) ?[年년]度?", "years"),
    (r"(?P<y>\d{4})[-/. ]+(?P<m>\d{1,2})[-/. ]+(?P<d>\d{1,2})\.?" + _CLOCK, "year, month, day"),
    (
        rf"(?:{_WORD}[.,]{{0,2}} )?(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|\.|º)?[-/ ]?(?:de |of )?{_MONTH}[.,]{{0,2}}"
        rf"[-/ ]?(?:de |del )?{_YEAR}\.?(?: г\.?)?" + _CLOCK,
        "day, month, year",
    ),
    (
        rf"(?:{_WORD}[.,]{{0,2}} )?{_MONTH}[.,]{{0,2}}[- ](?P<d>\d{{1,2}})(?:st|nd|rd|th)?[, -]+(?P<y>\d{{4}})"
        + _CLOCK,
        "month, day, year",
    ),
    (rf"{_MONTH}[.,]{{0,2}}[-/ ]?(?:de |of |del )?{_YEAR}(?: г\.?)?", "month, year"),
    (rf"(?P<y>\d{{4}})[-/. ]?{_MONTH}\.?(?:[-/ ](?P<d>\d{{1,2}}))?", "year, month"),
    (r"(?P<m>\d{1,2})[-/. ](?P<y>\d{4})", "month/year"),
    (r"(?P<y>\d{4})(?:[-/. :]M?|M)(?P<m>\d{1,2})", "year, month"),
    (r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?:[T ]?(?P<H>\d{2})(?:(?P<M>\d{2})(?P<S>\d{2})?)?)?", "year, month, day"),
    (r"(?P<y>\d{4})(?P<m>\d{2})", "year, month"),
    (r"(?:FY|YR|AD|CY) ?(?P<y>\d{4}|'?\d{2})|(?P<y2>\d{4}) (?:\[YR\d{4}\]|AD|CE|n\. ?Chr\.?)", "years"),
    (r"(?P<y>\d{4})", "years"),
)

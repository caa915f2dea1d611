import pytest

from language.tasks.base import check_least, check_request
from titans_seq.errors import UserError


def test_refusals_say_what_is_needed():
    with pytest.raises(UserError, match="^copy: batch_size must be at least 1, got 0$"):
        check_request("copy", 0, 8, {"string": 4})
    with pytest.raises(UserError, match=r"^copy: length must be at least 1,004 \(start 4, string 1,000\), got 1,003$"):
        check_request("copy", 1, 1_003, {"start": 4, "string": 1_000})
    with pytest.raises(UserError, match="^copy: length must be even, because tokens come in pairs, got 5: give 6$"):
        check_request("copy", 1, 5, {"string": 4}, even=True)
    check_request("copy", 1, 4, {"string": 4}, even=True)


def test_settings_below_the_least_value_are_refused():
    check_least("pairs", 1, 1)
    with pytest.raises(ValueError, match="^pairs must be at least 1, got 0$"):
        check_least("pairs", 0, 1)

"""The one exception that means "the input is wrong, not the program"."""


class UserError(ValueError):
    """A mistake in what the user gave.

    The message says what is wrong, what was given, what was expected and what to do. The command line prints it
    without a traceback and exits with code 2.

    Example:
        >>> raise UserError("horizon must be at least 1, got 0: give --horizon a positive number of steps")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: horizon must be at least 1, got 0: give --horizon a positive number of steps
    """

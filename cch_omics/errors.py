"""Errors that a user can act on."""


class InputError(ValueError):
    """Input that cannot be used, said so that its owner can mend it.

    Parameters
    ----------
    where
        The file, and the row, column or configuration key at fault.
    found
        What is there.
    expected
        What should be there.
    advice
        What to do about it.
    """

    def __init__(self, where: str, found: str, expected: str, advice: str) -> None:
        self.where = where
        self.found = found
        self.expected = expected
        self.advice = advice
        super().__init__(f"{where}: found {found}; expected {expected}. {advice}")

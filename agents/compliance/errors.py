"""What is wrong with a rule's text, and what stops a judgement.

RuleError        the text is wrong: line and column, what to do
ExhaustedError   judging took more steps than a rule may: not applicable
"""


class RuleError(ValueError):
    """An expression is wrong.

    Attributes:
        line: of the expression, from 1.
        column: from 1.
        what: what is wrong and what to do.
    """

    def __init__(self, what: str, line: int, column: int) -> None:
        super().__init__(f"{line}:{column}: {what}")
        self.line, self.column, self.what = line, column, what


class ExhaustedError(Exception):
    """One rule looked at more than it may for one event."""

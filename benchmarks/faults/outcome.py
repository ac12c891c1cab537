"""A row of the table of faults."""

from dataclasses import dataclass

HEADINGS = ("fault", "tries", "survived", "lost", "duplicated", "same bytes", "message")


@dataclass(frozen=True)
class Outcome:
    """A row of the table.

    Attributes:
        fault: What was done to the program or its files.
        tries: How often it was done.
        survived: How often the work ended well afterwards, or the damage was named or did no harm.
        lost: Number of videos, samples or steps that were missing in the end; None: does not apply.
        duplicated: Number of them that were there twice; None: does not apply.
        same_bytes: How often the result had the same bytes as without a fault; None: does not apply.
        message: The message of the program, as far as it is always the same.
        goal: Share of the tries that has to survive.
    """

    fault: str
    tries: int
    survived: int
    lost: int | None
    duplicated: int | None
    same_bytes: int | None
    message: str
    goal: float = 1.0

    @property
    def is_good(self) -> bool:
        """Tell whether nothing went wrong in more tries than are allowed."""
        sames = self.tries if self.same_bytes is None else self.same_bytes
        survived = self.survived >= self.goal * self.tries
        return survived and sames == self.tries and not self.lost and not self.duplicated

    def cells(self) -> list[str]:
        counts = (self.lost, self.duplicated, self.same_bytes)
        return [
            self.fault,
            str(self.tries),
            str(self.survived),
            *("-" if count is None else str(count) for count in counts),
            self.message.replace("|", "\\|").replace("\n", " "),
        ]

"""What the doctor finds, one thing at a time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    mark: str
    subject: str
    text: str

    @property
    def failed(self) -> bool:
        """True when the service will not start, or not work, like this."""
        return self.mark == "FAILED"


def ok(subject: str, text: str) -> Finding:
    """It is as it should be."""
    return Finding(mark="ok", subject=subject, text=text)


def note(subject: str, text: str) -> Finding:
    """An operator should know of it."""
    return Finding(mark="note", subject=subject, text=text)


def failed(subject: str, text: str) -> Finding:
    """Somebody has to do what `text` says."""
    return Finding(mark="FAILED", subject=subject, text=text)

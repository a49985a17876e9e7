"""Who is told of every call from outside, before it is handled and after: tests that let something happen just then."""

from collections.abc import Callable


class Witness:
    """Sees every request to Google's APIs and every exchange with PostgreSQL, and minds none of them."""

    def came(self, call: str) -> Callable[[], None] | None:
        """Told before a call is handled; what it gives is called once it is, before the answer is sent.

        None has the call not handled at all, and its connection closed.
        """
        return _nothing


def _nothing() -> None:
    """The end of a call that nobody waits for."""

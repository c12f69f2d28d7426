"""What goes wrong in the simulated Docker, in the words of the real one."""

from __future__ import annotations


class DockerError(Exception):
    """A command fails. The message is what the CLI prints after "Error response from daemon: ".

    Args:
        message: What went wrong.
        status: The status of HTTP that the Engine API answers with.
    """

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.status = status


class CallFailed(DockerError):
    """A call to the plugin failed, for good.

    Attributes:
        not_implemented: Whether the plugin does not know the method, which many calls take for success.
    """

    def __init__(self, message: str, *, not_implemented: bool = False) -> None:
        super().__init__(message)
        self.not_implemented = not_implemented

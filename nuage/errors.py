"""The errors of this project.

Each message is what a user reads, in the docker CLI or at the start of the daemon: it names the field, the value and
the remedy. The class tells the code what kind of failure it was; messages are never inspected.
"""

from __future__ import annotations


class NuageError(Exception):
    """Something expected went wrong; ``str()`` of it is the message for the user."""


class ConfigurationError(NuageError):
    """The configuration file cannot be used. The message lists every problem in it."""


class MalformedRequest(NuageError):
    """A libnetwork call whose body cannot be decoded: not JSON, or a field of the wrong type."""


class Refused(NuageError):
    """A libnetwork call that was understood, but cannot be done as it is."""


class DeadlineExceeded(NuageError):
    """A call that did not finish in the time allowed for it."""


class SwitchError(NuageError):
    """The virtual switch could not do what was asked of it."""


class LinkError(NuageError):
    """The kernel refused to make or change a network link."""


class DockerUnavailable(NuageError):
    """The Docker Engine API gave no answer, a late one, or one that is not understood; the message says which."""


class DockerUnreachable(DockerUnavailable):
    """Nobody listens where the Docker Engine API should be, or this process may not connect there."""


class DockerRemoved(DockerUnreachable):
    """The socket of the Docker Engine API that is mounted here is that of a Docker that is gone."""


class DockerRefused(DockerUnavailable):
    """Docker, or a proxy in front of it, refused to answer this question: a status from 400 to 499."""


class VsdUnavailable(NuageError):
    """The VSD gave no answer, a late one, or one that is not understood; the message says which."""


class VsdRefused(NuageError):
    """The VSD answered that it does not do what was asked.

    Attributes:
        status: The status of HTTP, such as 404 or 409.
        code: The VSD's own number of the error (internalErrorCode), None if it gave no number.
        title, description: The VSD's words, empty if it gave none.
    """

    def __init__(
        self, message: str, *, status: int, code: int | None = None, title: str = "", description: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.title = title
        self.description = description


class NotInDirectory(NuageError):
    """The VSD has nothing of this name there. The message has the nearest names."""

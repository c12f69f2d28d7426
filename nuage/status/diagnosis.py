"""All that helps to find a fault, in one archive that can be sent to somebody: nothing in it is a secret."""

from __future__ import annotations

import io
import json
import platform
import tarfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Cooperator
from twisted.internet.threads import deferToThreadPool
from twisted.web.iweb import IRequest

from nuage import __version__
from nuage.audit.auditor import Auditor
from nuage.audit.census import Census
from nuage.config.settings import Config
from nuage.errors import NuageError
from nuage.links.links import Links
from nuage.names import LINK_MARK
from nuage.status.control import MakeReport, Small
from nuage.status.secrets import Secrets, cleaned, configuration
from nuage.vrs import tables
from nuage.vrs.switch import Switch
from nuage.vrs.views import ids_of

#: The folder in the archive.
_FOLDER = "nuage-plugin-diagnosis"
#: Packages whose versions matter.
_PACKAGES = ("attrs", "klein", "ovs", "pyopenssl", "pyroute2-minimal", "pyyaml", "treq", "twisted")
#: Rows that are in the archive whoever wrote them. Of other tables only our own rows are.
_WHOLE_TABLES = (tables.NUAGE_PORT, tables.NUAGE_VM, tables.CONTROLLER)


class Diagnosis:
    """Makes the archive.

    Args:
        reactor: Has the thread in which the archive is packed.
        config: The daemon's configuration.
        report: Makes a report.
        switch: The VRS.
        links: The links in the kernel.
        census: Knows the networks that Docker has of this driver.
        auditor: Tells what it would do.
        lines: Returns the last lines of the log.
        now: Returns the Unix time.
    """

    def __init__(
        self,
        reactor: Any,
        config: Config,
        *,
        report: MakeReport,
        switch: Switch,
        links: Links,
        census: Census,
        auditor: Auditor,
        lines: Callable[[], list[str]],
        now: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self._config = config
        self._report = report
        self._switch = switch
        self._links = links
        self._census = census
        self._auditor = auditor
        self._lines = lines
        self._now = now

    async def archive(self) -> bytes:
        """Return the archive, a tar file packed with gzip. What cannot be had is replaced by the reason."""
        asked = {"links": self._ask_kernel, "docker-networks": self._ask_docker, "audit": self._ask_auditor}
        answers = await gatherResults([Deferred.fromCoroutine(_answered(ask)) for ask in asked.values()])
        parts = {
            "configuration": configuration(self._config),
            "status": self._report().to_json(),
            "rows": await self._rows(),
            **dict(zip(asked, answers, strict=True)),
        }
        pool = self._reactor.getThreadPool()
        packed: bytes = await deferToThreadPool(
            self._reactor, pool, _packed, self._config, parts, self._lines(), self._now()
        )
        return packed

    async def _rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of each table, as far as the daemon mirrors them. The reactor goes on meanwhile."""
        found: dict[str, list[dict[str, Any]]] = {}
        in_slices = Cooperator(scheduler=partial(self._reactor.callLater, 0))
        await in_slices.coiterate(self._copy_rows(found))
        return found

    def _copy_rows(self, found: dict[str, list[dict[str, Any]]]) -> Iterator[None]:
        cache = self._switch.cache
        interfaces = [row for each in self._switch.survey().traces if (row := self._switch.interface(each))]
        ports = [port for row in interfaces if (port := self._switch.port_of(row))]
        ours = {tables.INTERFACE: interfaces, tables.PORT: ports}
        for table, rows in {**{table: [*cache[table].rows.values()] for table in _WHOLE_TABLES}, **ours}.items():
            copies = found[table] = []
            for row in rows:
                copies.append(dict(row))
                yield
        found[tables.BRIDGE] = [_own_ids(dict(row), ids_of(row)) for row in cache[tables.BRIDGE].rows.values()]

    async def _ask_kernel(self) -> Any:
        return [attrs.asdict(link) for link in (await self._links.owned(LINK_MARK)).values()]

    async def _ask_docker(self) -> Any:
        return [attrs.asdict(network) for network in await self._census.networks()]

    async def _ask_auditor(self) -> Any:
        findings = await self._auditor.look()
        return {
            "would": [str(proposal) for proposal in findings.proposals],
            "passed over": list(findings.unreadable),
            "docker": findings.docker_problem,
        }


def _own_ids(row: dict[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    return {**row, "external_ids": {key: value for key, value in ids.items() if key.startswith("nuage-")}}


async def _answered(ask: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await ask()
    except NuageError as problem:
        return {"problem": str(problem)}


def _versions() -> dict[str, str]:
    return {
        "nuage-plugin": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: found for name in _PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _packed(config: Config, parts: Mapping[str, Any], lines: list[str], now: float) -> bytes:
    """Pack the parts. This takes a while for a thousand endpoints."""
    secrets = Secrets(config)
    parts = {"versions": _versions(), **parts}
    texts = {f"{name}.json": json.dumps(cleaned(_plain(part)), indent=2) + "\n" for name, part in parts.items()}
    texts["log.txt"] = "".join(f"{line}\n" for line in lines)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in texts.items():
            data = secrets.remove_from(text).encode("utf-8", "replace")
            member = tarfile.TarInfo(f"{_FOLDER}/{name}")
            member.size, member.mode, member.mtime = len(data), 0o600, int(now)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def _plain(value: Any) -> Any:
    """Return a value as JSON can have it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(map(_plain, value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value)


class DiagnoseResource(Small):
    """Answers ``/diagnose`` with the archive.

    Args:
        diagnosis: Makes it.
    """

    _app = Small.routes()

    def __init__(self, diagnosis: Diagnosis) -> None:
        self._diagnosis = diagnosis

    @_app.route("/diagnose", methods=["GET"])
    async def diagnose(self, request: IRequest) -> bytes:
        """Return the archive."""
        packed = await self._diagnosis.archive()
        request.setHeader(b"Content-Type", b"application/gzip")
        request.setHeader(b"Cache-Control", b"no-store")
        return packed

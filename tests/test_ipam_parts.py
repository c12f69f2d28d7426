"""The parts of the IPAM that ask nobody: IDs of pools, the choice of an address, marks."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nuage.errors import Refused
from nuage.ipam.choice import choose, span, usable
from nuage.ipam.marks import Mark, Use
from nuage.ipam.pool import Pool, Prefix

names = st.text(min_size=1, max_size=255).filter(lambda text: text.isprintable() and bool(text.strip()))
prefixes = st.ip_addresses().flatmap(
    lambda address: st.integers(1, address.max_prefixlen).map(
        lambda bits: ip_network(f"{address}/{bits}", strict=False)
    )
)
pools = st.builds(
    Pool,
    organization=names,
    user=names,
    domain=names,
    zone=names | st.none(),
    subnet=names | st.none(),
    prefix=prefixes,
    range=prefixes | st.none(),
)


class Ids(SynchronousTestCase):
    """What Docker keeps of a pool."""

    def test_how_it_looks(self) -> None:
        """It can be read, and is the same in each release: Docker keeps it for as long as the network exists."""
        pool = Pool(
            organization="Enterprise",
            user="admin",
            domain="Domain",
            zone="Zone",
            subnet="Subnet 2",
            prefix=IPv4Network("10.21.59.0/24"),
            range=IPv4Network("10.21.59.128/25"),
        )
        assert pool.id == (
            "nuage:pool=10.21.59.0/24&range=10.21.59.128/25"
            "&organization=Enterprise&user=admin&domain=Domain&zone=Zone&subnet=Subnet 2"
        )

    @settings(deadline=None)
    @given(pools)
    def test_nothing_is_lost(self, pool: Pool) -> None:
        """Whatever the names are, and its length is bounded."""
        assert Pool.from_id(pool.id) == pool
        assert len(pool.id) < 20_000

    @settings(deadline=None)
    @given(pools, pools)
    def test_each_has_its_own(self, one: Pool, other: Pool) -> None:
        """Equal IDs are of equal pools."""
        assert (one.id == other.id) == (one == other)

    @settings(deadline=None)
    @given(st.text() | st.text().map("nuage:".__add__) | st.text().map("nuage:pool=10.0.0.0/8&domain=".__add__))
    def test_what_is_none(self, text: str) -> None:
        """It is refused, and nothing else happens."""
        try:
            assert Pool.from_id(text).id
        except Refused as problem:
            assert str(problem).isprintable(), repr(str(problem))


class CountingSet(set[int]):
    """Counts how often it is asked for a member."""

    looks = 0

    def __contains__(self, member: object) -> bool:
        """See set."""
        self.looks += 1
        return super().__contains__(member)


class Choice(SynchronousTestCase):
    """Which address is chosen."""

    @settings(deadline=None)
    @given(prefixes, st.data())
    def test_usable_ones(self, prefix: Prefix, data: st.DataObject) -> None:
        """What is chosen is in the subnet, names nobody else, and is not taken."""
        where = usable(prefix, [span(prefix)])
        taken = data.draw(st.sets(st.integers(*span(prefix)), max_size=30))
        number = choose(where, taken, Random(1))
        if number is not None:
            assert number not in taken
            assert int(prefix.network_address) <= number <= int(prefix.broadcast_address)
            if prefix.num_addresses > 2:
                assert number != int(prefix.network_address)
                assert prefix.version == 6 or number != int(prefix.broadcast_address)

    def test_all_are_found(self) -> None:
        """The last free one too, in several ranges; then there is none."""
        where = usable(IPv4Network("10.0.0.0/24"), [(0x0A000000, 0x0A000003), (0x0A000010, 0x0A000010)])
        taken: set[int] = set()
        while (number := choose(where, taken, Random(3))) is not None:
            taken.add(number)
        assert taken == {0x0A000001, 0x0A000002, 0x0A000003, 0x0A000010}

    def test_small_subnets(self) -> None:
        """Both addresses of a /31 are usable (RFC 3021), and the one of a /32."""
        assert usable(IPv4Network("10.0.0.0/31"), [span(IPv4Network("10.0.0.0/31"))]) == [(0x0A000000, 0x0A000001)]
        assert usable(IPv4Network("10.0.0.7/32"), [span(IPv4Network("10.0.0.0/8"))]) == [(0x0A000007, 0x0A000007)]

    def test_a_subnet_of_which_most_is_taken(self) -> None:
        """Not all of its addresses are looked at: that would take longer the larger it is."""
        taken = CountingSet(range(10_000))
        found = choose([(0, 16_383)], taken, Random(1))
        assert found is not None
        assert found >= 10_000
        assert taken.looks < 100

    def test_a_large_subnet(self) -> None:
        """A free address is found at once where 2**64 are free."""
        prefix = ip_network("fd00::/64")
        assert choose(usable(prefix, [span(prefix)]), set(range(10_000)), Random(1)) is not None


class Marks(SynchronousTestCase):
    """Whose an address is."""

    @given(st.from_regex(r"[0-9a-f-]{36}\.[a-z.]{1,20}", fullmatch=True), st.sampled_from(Use), st.ip_addresses())
    def test_nothing_is_lost(self, host: str, use: Use, address: object) -> None:
        """It is read as it was written."""
        mark = Mark(host=host, use=use, network_id="id", address=str(address))
        assert Mark.parse(str(mark)) == mark
        assert str(mark).startswith(Mark.start_of(host))

    def test_what_is_none(self) -> None:
        """What others wrote is not taken for a mark."""
        for text in ("", "openstack", "nuage-plugin/one", "nuage-plugin/one/other/id/10.0.0.1", "x/one/docker/id/a"):
            assert Mark.parse(text) is None

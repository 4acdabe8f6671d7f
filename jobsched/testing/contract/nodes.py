"""The contract's chapter on nodes: leases by the store's clock, and the dead stay dead."""

from datetime import timedelta

from jobsched.model.run import RunState
from jobsched.store.port import Beat, Store
from jobsched.testing.builders import LEASE, START, a_node, a_run, a_transition, claim, given_back
from jobsched.testing.clock import FakeClock

SECOND = timedelta(seconds=1)


class NodeContract:
    def test_a_node_is_known_by_what_it_registered_with(self, store: Store) -> None:
        node = store.register(
            host="web-1", pid=4711, version="1.2.3", namespaces=["a", "b"], lease=LEASE, info={"threads": 8, "ö": None}
        )

        [known] = store.nodes()
        assert (known.id, known.host, known.pid, known.version) == (node, "web-1", 4711, "1.2.3")
        assert (known.started_at, known.heartbeat_at, known.alive) == (START, START, True)
        assert (known.namespaces, known.info) == (("a", "b"), {"threads": 8, "ö": None})

    def test_a_heartbeat_brings_back_the_stores_clock_and_renews_the_lease(
        self, store: Store, clock: FakeClock
    ) -> None:
        node = a_node(store)
        clock.advance(LEASE - SECOND)

        beat = store.heartbeat(node, {"running": 3})
        clock.advance(LEASE - SECOND)

        assert beat == Beat(now=clock.now() - (LEASE - SECOND), alive=True)
        assert store.bury() == []
        [known] = store.nodes()
        assert (known.alive, known.heartbeat_at, known.started_at, known.info) == (
            True,
            beat.now,
            START,
            {"running": 3},
        )

    def test_a_lease_runs_out_by_the_stores_clock(self, store: Store, clock: FakeClock) -> None:
        a_node(store)

        clock.advance(LEASE - SECOND)
        in_time = [node.alive for node in store.nodes()]
        clock.advance(2 * SECOND)
        too_late = [node.alive for node in store.nodes()]

        assert (in_time, too_late) == ([True], [False])

    def test_each_node_has_the_lease_it_asked_for(self, store: Store, clock: FakeClock) -> None:
        short, long = a_node(store, lease=LEASE), a_node(store, lease=3 * LEASE)
        clock.advance(2 * LEASE)

        assert store.bury() == [short]
        assert {node.id: node.alive for node in store.nodes()} == {short: False, long: True}

    def test_a_late_heartbeat_counts_as_long_as_nobody_declared_the_node_dead(
        self, store: Store, clock: FakeClock
    ) -> None:
        store.enqueue([a_run()])
        node = a_node(store)
        clock.advance(2 * LEASE)

        assert store.heartbeat(node, {}).alive
        assert store.bury() == []
        assert len(claim(store, node)) == 1

    def test_a_dead_node_is_not_revived_by_a_heartbeat(self, store: Store, clock: FakeClock) -> None:
        node = a_node(store)
        clock.advance(LEASE + SECOND)
        store.bury()

        beats = [store.heartbeat(node, {}) for _ in range(2)]

        assert beats == [Beat(now=clock.now(), alive=False)] * 2
        assert [known.alive for known in store.nodes()] == [False]

    def test_a_heartbeat_of_an_unknown_node_is_not_alive(self, store: Store) -> None:
        assert not store.heartbeat(a_node(store) + 1000, {}).alive

    def test_bury_names_a_dead_node_once_if_it_owns_nothing(self, store: Store, clock: FakeClock) -> None:
        dead = a_node(store)
        clock.advance(LEASE + SECOND)
        a_node(store)

        assert (store.bury(), store.bury()) == ([dead], [])

    def test_bury_names_a_dead_node_until_its_runs_are_given_back(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run()] * 2)
        dead = a_node(store)
        first, second = claim(store, dead)
        clock.advance(LEASE + SECOND)

        named = [store.bury()]
        store.finish([given_back(first)])
        named.append(store.bury())
        store.finish([given_back(second)])
        named.append(store.bury())

        assert named == [[dead], [dead], []]

    def test_bury_spares_nodes_that_live(self, store: Store) -> None:
        store.enqueue([a_run()])
        node = a_node(store)
        claim(store, node)

        assert store.bury() == []
        assert [known.alive for known in store.nodes()] == [True]

    def test_nodes_are_listed_newest_first_without_those_that_left(self, store: Store, clock: FakeClock) -> None:
        first, second, third = (a_node(store) for _ in range(3))
        clock.advance(LEASE + SECOND)
        store.bury()

        store.leave(second)

        assert [node.id for node in store.nodes()] == [third, first]

    def test_leaving_twice_harms_nothing(self, store: Store) -> None:
        node, other = a_node(store), a_node(store)

        store.leave(node)
        store.leave(node)

        assert [known.id for known in store.nodes()] == [other]

    def test_a_node_that_left_is_not_alive(self, store: Store, clock: FakeClock) -> None:
        node = a_node(store)

        store.leave(node)

        assert not store.heartbeat(node, {}).alive
        assert store.nodes() == []
        clock.advance(2 * LEASE)
        assert store.bury() == []

    def test_ids_are_never_used_again(self, store: Store, clock: FakeClock) -> None:
        ids = []
        for _ in range(3):
            ids.append(a_node(store))
            store.leave(ids[-1])
            ids.append(a_node(store))
            clock.advance(timedelta(days=400))
            store.bury()
            store.tidy()

        assert ids == sorted(set(ids))

    def test_tidy_spares_nodes_that_live_or_own_runs(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run()])
        owner = a_node(store)
        [claimed] = claim(store, owner)
        clock.advance(timedelta(days=400))
        alive = a_node(store)
        store.bury()

        store.tidy()

        assert alive in [node.id for node in store.nodes()]
        assert store.bury() == [owner]
        assert store.finish([a_transition(claimed, RunState.PENDING)]).keys() == {claimed.id}

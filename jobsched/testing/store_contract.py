"""The definition of a correct store: one suite, run by each adapter's tests.

A test module derives from `StoreContract` and supplies these fixtures, fresh for each test:

    clock        a FakeClock as it is made, with which all its stores are opened
    store        a migrated store
    open_again   () -> Store: another Store object on the database of `store`
    open_empty   () -> Store: a Store object on one other database, which has no schema yet
    newer_store  a store whose database has the schema of a later program

The fixtures close what they opened.
"""

from jobsched.testing.contract.abandonment import AbandonContract
from jobsched.testing.contract.alerts import AlertContract
from jobsched.testing.contract.auditing import AuditContract
from jobsched.testing.contract.backfilling import BackfillContract
from jobsched.testing.contract.batches import BatchContract, TagContract
from jobsched.testing.contract.cancelling import CancelContract
from jobsched.testing.contract.claims import ClaimContract
from jobsched.testing.contract.deleting import DeleteContract
from jobsched.testing.contract.enqueueing import EnqueueContract
from jobsched.testing.contract.failures import FailureContract
from jobsched.testing.contract.finishing import FinishContract
from jobsched.testing.contract.finishing_and_claiming import FinishAndClaimContract
from jobsched.testing.contract.firing_ahead import FireAheadContract
from jobsched.testing.contract.firing_and_claiming import FireAndClaimContract
from jobsched.testing.contract.idempotency import OnceContract
from jobsched.testing.contract.inspecting import InspectContract
from jobsched.testing.contract.keys import KeyContract
from jobsched.testing.contract.logs import LogContract
from jobsched.testing.contract.nodes import NodeContract
from jobsched.testing.contract.outlook import OutlookContract
from jobsched.testing.contract.overview import OverviewContract
from jobsched.testing.contract.pausing import PauseContract
from jobsched.testing.contract.pruning import PruneContract
from jobsched.testing.contract.questions import QuestionContract
from jobsched.testing.contract.queue_depths import QueueDepthContract
from jobsched.testing.contract.queue_limits import QueueLimitContract
from jobsched.testing.contract.queue_rates import QueueRateContract
from jobsched.testing.contract.races import RaceContract
from jobsched.testing.contract.replacing import ReplaceContract
from jobsched.testing.contract.requeueing import RequeueContract
from jobsched.testing.contract.schema import SchemaContract
from jobsched.testing.contract.slots import SlotContract
from jobsched.testing.contract.sync import SyncContract
from jobsched.testing.contract.unique_for import UniqueForContract
from jobsched.testing.contract.wakeups import WakeUpContract


class StoreContract(
    SchemaContract,
    SyncContract,
    SlotContract,
    EnqueueContract,
    UniqueForContract,
    TagContract,
    BatchContract,
    KeyContract,
    QueueLimitContract,
    QueueRateContract,
    QueueDepthContract,
    ClaimContract,
    FinishContract,
    FinishAndClaimContract,
    FireAndClaimContract,
    FireAheadContract,
    FailureContract,
    AlertContract,
    AbandonContract,
    CancelContract,
    ReplaceContract,
    RequeueContract,
    BackfillContract,
    DeleteContract,
    AuditContract,
    OnceContract,
    NodeContract,
    LogContract,
    OverviewContract,
    PauseContract,
    OutlookContract,
    QuestionContract,
    InspectContract,
    PruneContract,
    RaceContract,
    WakeUpContract,
):
    """Every chapter."""

"""The order that a client sends with a job: what the cluster is to run."""

from pydantic import BaseModel, ConfigDict

from orchestrator.planning.sweeps import Packing

#: The file in the job's folder that says what to run.
ORDER = "order.json"
#: Printed when nothing can be refused any more and the sweep's first trials are about to start.
STARTED = "The sweep has started."


class Order(BaseModel):
    """What ``submit`` sends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    release: str  #: of the client: both must be the same, or numbers and ids may differ
    definition: dict[str, object]
    results: str
    agents_per_actor: Packing | None = None
    retry_failed: bool = False

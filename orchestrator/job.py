"""What a submitted job runs on the cluster: ``python -m orchestrator.job`` beside the order that the client sent."""

import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from orchestrator.errors import UserError
from orchestrator.process import release

#: The file in the job's folder that says what to run.
ORDER = "order.json"
#: Printed when nothing can be refused any more: the sweep's first trials are about to start.
BEGUN = "The sweep has begun."


class Order(BaseModel):
    """What ``submit`` sends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    release: str  #: of the client: both must be the same, or numbers and ids may differ
    definition: dict[str, Any]
    results: str
    agents_per_actor: int | str | None = None
    retry_failed: bool = False


def main(folder: Path) -> int:
    """Carry out the order in ``folder``. Returns the exit code of ``orchestrator sweep``."""
    from orchestrator import output, sweepfile
    from orchestrator.api import carry_out

    order = json.loads((folder / ORDER).read_text())
    if order["release"] != release():
        raise UserError(
            f"The client has {order['release']}, the cluster {release()}. Install the same version on both."
        )
    order = Order.model_validate(order)
    definition = sweepfile.checked(order.definition, "the submitted sweep")

    def announce(planned: Any) -> None:
        signal.signal(signal.SIGTERM, _stopped)  # Ray, which is connected by now, has put its own in place
        output.announce(planned)
        print(BEGUN, file=sys.stderr, flush=True)

    found = carry_out(
        definition,
        order.results,
        address="auto",
        per_actor=order.agents_per_actor,
        retry_failed=order.retry_failed,
        announce=announce,
    )
    return 1 if output.outcome(found, definition) else 0


def _stopped(*_: object) -> None:
    raise KeyboardInterrupt  # as Ctrl-C does: what is finished is stored


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        try:
            sys.exit(main(Path.cwd()))
        except UserError as error:
            print(error, file=sys.stderr)
            sys.exit(2)
    print("Stopped. What was finished is stored; submit the sweep again and it goes on from there.", file=sys.stderr)
    sys.exit(130)

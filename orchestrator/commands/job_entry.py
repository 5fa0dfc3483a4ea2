"""What a submitted job runs on the cluster, in the folder that holds the client's order."""

import contextlib
import json
import sys
from pathlib import Path

from orchestrator.cluster.order import ORDER, STARTED, Order
from orchestrator.errors import UserError, plain
from orchestrator.process import release


def main(folder: Path) -> int:
    """Run the order in ``folder``. Returns the exit code of ``orchestrator sweep``."""
    from orchestrator.api import carry_out
    from orchestrator.commands import printing
    from orchestrator.planning import sweeps
    from orchestrator.planning.plan import Plan

    order = json.loads((folder / ORDER).read_text())
    if order["release"] != release():
        raise UserError(
            f"The client has {order['release']}, the cluster {release()}. Install the same version on both."
        )
    order = Order.model_validate(order)
    definition = sweeps.checked(order.definition, "the submitted sweep")

    def announce(planned: Plan) -> None:
        printing.announce(planned)
        print(STARTED, file=sys.stderr, flush=True)

    results = carry_out(
        definition,
        order.results,
        address="auto",
        per_actor=order.agents_per_actor,
        retry_failed=order.retry_failed,
        announce=announce,
    )
    return 1 if printing.outcome(results, definition.name) else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        try:
            sys.exit(main(Path.cwd()))
        except UserError as error:
            print(plain(str(error)), file=sys.stderr)
            sys.exit(2)
    print("Stopped. What was finished is stored; submit the sweep again and it goes on from there.", file=sys.stderr)
    sys.exit(130)

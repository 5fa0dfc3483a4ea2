"""``ray up`` of cluster.yaml over ssh: all nodes come, jobs run with the token, and without it nobody is let in."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.cluster

#: What the job runs: it prints the nodes that Ray sees from inside.
JOB = (
    "import json, ray; ray.init(log_to_driver=False); "
    "print(json.dumps(sorted(node['NodeManagerAddress'] for node in ray.nodes() if node['Alive'])))"
)

#: A client of Ray's job API on the machine.
CLIENT = """
import sys, time
from ray.job_submission import JobSubmissionClient, JobStatus
client = JobSubmissionClient(sys.argv[1])
job = client.submit_job(entrypoint=f'python -c "{sys.argv[2]}"')
while not (status := client.get_job_status(job)).is_terminal():
    time.sleep(0.2)
print(client.get_job_logs(job))
sys.exit(status != JobStatus.SUCCEEDED)
"""


def submit(cluster, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CLIENT, cluster.address, JOB]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_a_job_sees_every_node(cluster):
    addresses = sorted(host.ip for host in cluster.hosts)
    assert cluster.nodes() == dict.fromkeys(addresses, True)
    done = submit(cluster, cluster.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.strip().splitlines()[-1]) == addresses


@pytest.mark.parametrize("token", [None, "0" * 64], ids=["no token", "a wrong token"])
def test_a_stranger_is_refused(cluster, token):
    stranger = cluster.outsider | ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {})
    done = submit(cluster, stranger)
    assert done.returncode != 0
    assert "auth" in (done.stdout + done.stderr).lower()
    assert not cluster.hosts[0].processes(JOB[:20])


def test_down_ends_every_node(cluster):
    cluster.down()
    assert not any(host.processes("raylet") for host in cluster.hosts)

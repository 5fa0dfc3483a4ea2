"""cluster.yaml is what Ray and EC2 understand, installs this very version, and lets nobody in without the token."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import boto3
import jsonschema
import pytest
import ray.autoscaler
import yaml
from botocore.validate import ParamValidator
from ray.autoscaler._private.util import prepare_config, validate_config

CHECKOUT = Path(__file__).resolve().parents[1]
VERSION = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
START = ("head_start_ray_commands", "worker_start_ray_commands")


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return yaml.safe_load((CHECKOUT / "cluster.yaml").read_text())


def test_valid_against_rays_schema(config):
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    jsonschema.validate(config, schema)
    prepared = prepare_config(config)
    validate_config(prepared)
    assert prepared["max_workers"] == prepared["available_node_types"]["worker"]["max_workers"] == 8
    assert prepared["available_node_types"]["worker"]["min_workers"] == 0


def test_ec2_knows_every_node_setting(config):
    client = boto3.client("ec2", region_name=config["provider"]["region"])
    shape = client.meta.service_model.operation_model("RunInstances").input_shape
    for node in config["available_node_types"].values():
        report = ParamValidator().validate(node["node_config"] | {"MinCount": 1, "MaxCount": 1}, shape)
        assert not report.has_errors(), report.generate_report()


def test_nodes_are_of_one_cpu_class(config):
    types = {node["node_config"]["InstanceType"].split(".")[0] for node in config["available_node_types"].values()}
    assert len(types) == 1


def test_installs_this_version(config):
    wheel = f"marl_orchestrator-{VERSION}-py3-none-any.whl"
    assert config["file_mounts"][f"~/install/{wheel}"] == f"dist/{wheel}"
    installs = [line for line in config["setup_commands"] if "marl-orchestrator" in line]
    assert len(installs) == 1
    assert f"/install/{wheel}" in installs[0]
    assert "-c ~/install/constraints.txt" in installs[0]
    assert (CHECKOUT / config["file_mounts"]["~/install/constraints.txt"]).is_file()
    text = (CHECKOUT / "cluster.yaml").read_text() + (CHECKOUT / "docs" / "cluster.md").read_text()
    assert set(re.findall(r"marl_orchestrator-([\d.]+)-py3", text)) == {VERSION}


def test_every_node_asks_for_the_token(config):
    assert "~/.ray/auth_token" in config["file_mounts"]
    exported = [line for line in config["setup_commands"] if "~/.bashrc" in line and "RAY_AUTH_MODE=token" in line]
    assert len(exported) == 1
    assert "RAY_USAGE_STATS_ENABLED=0" in exported[0]
    assert not any("RAY_AUTH_MODE" in line for name in START for line in config[name])


def test_the_job_server_is_not_open_to_the_world(config):
    (head,) = (line for line in config["head_start_ray_commands"] if "ray start" in line)
    assert "--dashboard-host=127.0.0.1 --dashboard-port=8265" in head
    assert "security_group" not in config["provider"]  # Ray's own: ssh from outside, everything between the nodes

"""The Tab key: what it offers for half a word, and that it can be installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.plugins import registry

PROGRAM = "import sys\nfrom orchestrator import cli\nsys.argv[0] = 'orchestrator'\ncli.main()"


def offered(words: str, folder: Path) -> list[str]:
    """What bash is given for the last of these words."""
    asked = {"_ORCHESTRATOR_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=os.environ | asked, capture_output=True, text=True, check=True, cwd=folder
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("orchestrator run joint", ["joint-average-q", "joint-average-td"]),
        ("orchestrator run fedtd wi", ["windy-cliff", "wireless-access"]),
        ("orchestrator sweep shared-representation/p", [n for n in registry.sweeps() if "representation/p" in n]),
        ("orchestrator sweep my", ["my.yaml"]),
        ("orchestrator sweep sub/", ["sub/deep.yml"]),
        ("orchestrator describe ale", []),
        ("orchestrator describe fed", ["federated-optimisation", "fedq", "fedtd"]),
        ("orchestrator status --results there mi", ["mine/first"]),
        ("orchestrator logs r", ["run/second"]),
        ("orchestrator list s", ["sweeps"]),
        ("orchestrator run a b --backend i", ["inline"]),
        ("orchestrator do", ["doctor"]),
    ],
)
def test_what_is_offered(tmp_path, words, names):
    for name in ("my.yaml", "sub/deep.yml", "there/sweeps/mine/first.json", "results/sweeps/run/second.json", "my.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert sorted(offered(words, tmp_path)) == sorted(names)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash to install it for")
def test_it_is_installed_for_the_shell(tmp_path):
    """bash itself completes a word with what was installed."""
    environment = os.environ | {"HOME": str(tmp_path)}
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "orchestrator").write_text(f"#!{sys.executable}\n{PROGRAM}\n")
    (bin / "orchestrator").chmod(0o755)
    environment["PATH"] = f"{bin}{os.pathsep}{environment['PATH']}"
    script = "orchestrator --install-completion; true"
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert "bash completion installed" in done.stdout + done.stderr
    [installed] = (tmp_path / ".bash_completions").iterdir()
    shown = subprocess.run(
        ["bash", "-c", "orchestrator --show-completion; true"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == installed.read_text().strip()
    script = f"""source '{installed}'
        COMP_WORDS=(orchestrator run joint); COMP_CWORD=2
        _orchestrator_completion orchestrator; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["joint-average-q", "joint-average-td"]


def test_nothing_is_left_without_a_word():
    """Every command has a sentence that is not cut at 80 columns, every option and argument its help."""
    import typer

    from orchestrator.cli import app

    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        summary = command.get_short_help_str(80 - len("  fingerprint  "))
        assert summary, name
        assert not summary.endswith("..."), (name, summary)
        for param in command.params:
            assert getattr(param, "help", None), (name, param.name)

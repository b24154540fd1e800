"""The rules that keep the program testable: who may import whom, and where I/O may happen."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "strowger"

PURE = {"errors", "agent", "model", "lifecycle", "ports", "sip", "media", "conversation"}
PURE_FILES = {
    "simulate/impairments", "simulate/judging", "simulate/junit", "simulate/performance",
    "simulate/persona", "simulate/player", "simulate/reports", "simulate/scenario",
}  # fmt: skip
"""Pure files in parts that are not; they import no other file of their part."""
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "lifecycle": {"errors"},
    "patience": set(),
    "gulps": set(),
    "agent": set(),
    "signing_secrets": set(),
    "model": {"agent", "lifecycle"},
    "sip": {"errors"},
    "media": {"errors"},
    "conversation": {"agent", "errors", "lifecycle", "model"},
    "ports": {"agent", "conversation", "errors", "lifecycle", "media", "model"},
    "telephony": {"errors", "media", "model", "ports", "sip"},
    "providers": {"agent", "conversation", "errors", "gulps", "media", "patience", "ports"},
    "store": {"agent", "errors", "lifecycle", "model", "ports", "signing_secrets"},
    "webhooks": {"errors", "model", "ports"},
    "toolbox": {"agent", "conversation", "errors", "ports"},
    "calls": {
        "agent", "conversation", "errors", "gulps", "lifecycle", "media", "model", "patience",
        "ports", "signing_secrets",
    },
    "simulate": {
        "agent", "calls", "conversation", "errors", "lifecycle", "media", "model", "ports",
        "providers", "sip", "telephony",
    },
    "observability": {"errors", "model", "ports"},
    "api": {
        "agent", "calls", "errors", "lifecycle", "model", "observability", "ports",
        "signing_secrets",
    },
    "config": {"errors"},
    "client": {"errors"},
}  # fmt: skip
ROOT = {
    "app", "cli", "commands", "log_stream", "memory", "precedence", "process", "succession",
    "supervisor",
    "__init__", "__main__",
}  # fmt: skip
"""The composition root may import everything."""

IO = {
    "asyncio", "http", "httpx2", "io", "logging", "os", "pathlib", "select", "signal", "socket",
    "sqlite3", "ssl", "structlog", "subprocess", "sys", "threading", "time", "urllib",
}  # fmt: skip
STARTERS = {"create_task", "ensure_future"}
CHANCE = {"random", "secrets", "uuid", "uuid_utils"}
NUMPY = {"media"}
OUTSIDE_PURE = {
    "numpy", "onnxruntime", "pydantic", "yaml", "sqlalchemy", "fastapi", "starlette",
}  # fmt: skip


def trees(part: str) -> list[tuple[Path, ast.Module]]:
    paths = [*(SOURCE / part).rglob("*.py"), *SOURCE.glob(f"{part}.py")]
    return [(path, ast.parse(path.read_text())) for path in paths]


def imports(tree: ast.Module, path: Path) -> set[str]:
    """Full names of what a file imports, its relatives included."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by the full name"
            module = node.module or ""
            names |= {f"{module}.{alias.name}" for alias in node.names} | {module}
    return names


def parts() -> set[str]:
    packages = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    return packages | {path.stem for path in SOURCE.glob("*.py")}


def test_every_part_of_the_house_is_on_the_plan() -> None:
    assert parts() <= set(MAY_IMPORT) | ROOT


def test_each_part_imports_only_what_the_picture_allows() -> None:
    for part, allowed in MAY_IMPORT.items():
        for path, tree in trees(part):
            own = {name for name in imports(tree, path) if name.startswith("strowger.")}
            used = {name.split(".")[1] for name in own} - {"__version__"}
            assert used <= allowed | {part}, f"{path}: {used - allowed - {part}}"


def test_pure_parts_do_no_io_and_toss_no_coins() -> None:
    for part in PURE_FILES | PURE - {"ports"}:
        for path, tree in trees(part):
            used = {name.split(".")[0] for name in imports(tree, path)}
            barred = IO | CHANCE | OUTSIDE_PURE - (NUMPY if part not in NUMPY else {"numpy"})
            barred |= {"numpy"} if part not in NUMPY else set()
            assert not used & barred, f"{path}: {used & barred}"


def test_pure_files_lean_on_pure_files_only() -> None:
    known = {f"strowger.{name.replace('/', '.')}" for name in PURE_FILES}
    for part in PURE_FILES:
        for path, tree in trees(part):
            froms = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            own = {module for module in froms if module and module.startswith("strowger.")}
            others = {module for module in own if module.split(".")[1] not in PURE}
            assert others <= known, f"{path}: {others - known}"


def test_only_the_configuration_reads_the_environment() -> None:
    for part in parts() - {"config"}:
        for path, tree in trees(part):
            for node in ast.walk(tree):
                named = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
                assert not named, f"{path}: reads the environment"


def test_no_task_is_started_outside_a_group() -> None:
    for part in parts():
        for path, tree in trees(part):
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and node.attr in {
                    "create_task",
                    "ensure_future",
                }:
                    owner = node.value
                    loose = isinstance(owner, ast.Name) and owner.id in {"asyncio", "loop"}
                    assert not loose, f"{path}:{node.lineno}: a task outside a group"


ON_DEMAND = {"_simulated_exchange", "_turn_judge"}
"""What a worker runs only where there are test calls, or a model that judges turns."""


@pytest.mark.parametrize(
    ("process", "without"),
    [
        ("api", {"aiohttp", "alembic", "numpy", "rich", "strowger.calls.session"}),
        ("worker", {"aiohttp", "alembic", "onnxruntime", "rich", "strowger.simulate"}),
    ],
)
def test_an_idle_process_has_loaded_only_what_it_needs(process: str, without: set[str]) -> None:
    """What nobody uses shall not be paid for in memory, in every process, day and night."""
    tree = ast.parse((SOURCE / "app" / f"{process}.py").read_text())
    loads = [
        ast.unparse(node)
        for function in tree.body
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and function.name not in ON_DEMAND
        for node in function.body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert len(loads) > 5
    first = "from strowger.log_stream import load_structlog; load_structlog()"
    check = f"import sys; assert not {without} & set(sys.modules), {without} & set(sys.modules)"
    program = "\n".join([first, f"import strowger.app.{process}", *loads, check])
    subprocess.run([sys.executable, "-c", program], check=True)


LOADED_BY = """
import asyncio, sys, threading

from strowger.app import worker

class Witness:
    def find_spec(self, name, path, target=None):
        if name.startswith("strowger.simulate"):
            assert threading.current_thread() is not threading.main_thread(), name

async def main():
    sys.meta_path.insert(0, Witness())
    async with worker._simulated_telephone(None, 2):
        assert "strowger.simulate.exchange" in sys.modules

asyncio.run(main())
"""


def test_what_the_first_test_call_needs_is_loaded_while_others_speak() -> None:
    subprocess.run([sys.executable, "-c", LOADED_BY], check=True)

"""docs/architecture.md, enforced: its tables say which modules there are and what each may import."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from conftest import PROJECT

PAGE = PROJECT / "docs/architecture.md"

# The name under which a library of the table is imported.
IMPORTED_AS = {
    "PyYAML": ["yaml"],
    "jsonschema-rs": ["jsonschema_rs"],
    "promql-parser": ["promql_parser"],
    "grafana-foundation-sdk": ["grafana_foundation_sdk"],
    "boto3": ["boto3", "botocore"],
    "GitPython": ["git", "gitdb"],
    "markdown-it-py": ["markdown_it"],
}
# Libraries of whole folders.
FOLDERS = {"click": "cli", "moto": "demo", "werkzeug": "demo"}

# Said, with the reason, under the table of stages.
NEIGHBOURS = {
    ("coverage", "bind"),
    ("render", "bind"),
    ("routingtest", "rules"),
    ("ruletest_cases", "rules"),
    *(("site", name) for name in ("bind", "coverage", "coverage_report", "rules")),
}

# Imports that `mac --help` waits for.
LIGHT = {"click", "mac", "mac.__version__", "mac.cli", "mac.cli.errors", "mac.cli.options", "mac.cli.session"}
LIGHT_STANDARD = {
    "__future__",
    "contextlib",
    "importlib",
    "io",
    "os",
    "pathlib",
    "select",
    "shutil",
    "signal",
}
LIGHT_STANDARD |= {"sys", "time", "types", "typing", "collections.abc"}


# --- what the page says ------------------------------------------------------------------------------


@cache
def rows(section: str) -> tuple[tuple[frozenset[str], tuple[str, ...]], ...]:
    """A section's table: (the modules of the first cell, the other cells) of each row."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        modules = re.findall(r"`([a-z0-9_]+)(?:\.py|/)`", cells[0]) if line.startswith("|") else []
        if modules:
            found.append((frozenset(modules), tuple(cells[1:])))
    return tuple(found)


def modules_of(section: str) -> frozenset[str]:
    return frozenset().union(*(modules for modules, _ in rows(section)))


FOUNDATIONS = modules_of("Foundations")
STAGES = modules_of("Stages")
AROUND = modules_of("Around the stages")


def libraries() -> dict[str, frozenset[str]]:
    """Imported name → the top-level modules that may import it."""
    allowed = {name: frozenset([folder]) for name, folder in FOLDERS.items()}
    for modules, (_, cell) in rows("Foundations"):
        for library in re.findall(r"[\w-]+", cell):
            for name in IMPORTED_AS.get(library, [library]):
                allowed[name] = modules
    return allowed


# --- what the code does ------------------------------------------------------------------------------


@cache
def files() -> tuple[Path, ...]:
    return tuple(sorted((PROJECT / "mac").rglob("*.py")))


def top(path: Path) -> str:
    """The module or folder directly below mac/."""
    return path.relative_to(PROJECT / "mac").parts[0].removesuffix(".py")


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(path: Path, *, late: bool = True, typing: bool = False) -> frozenset[str]:
    """Full names that a file imports. `late`: inside functions too; `typing`: for annotations alone too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(_imports(tree, path, late, typing))


def _imports(node: ast.AST, path: Path, late: bool, typing: bool) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            if child.level:
                pytest.fail(f"{path} has a relative import: write it out, so that it can be checked")
            module = child.module or ""
            if (PROJECT / Path(*module.split(".")) / "__init__.py").is_file():
                yield from (f"{module}.{alias.name}" for alias in child.names)
            else:
                yield module
        elif not _is_left_out(child, late, typing):
            yield from _imports(child, path, late, typing)


def _is_left_out(node: ast.AST, late: bool, typing: bool) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return not late
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and not typing


def own(path: Path) -> frozenset[str]:
    """The top-level modules of mac that a file imports, without its own."""
    found = {name.split(".")[1] for name in imports(path) if name.startswith("mac.")}
    return frozenset(found - {top(path)} - {"__version__"})


# --- rules -------------------------------------------------------------------------------------------


def test_every_module_has_a_place_on_the_page() -> None:
    present = {top(path) for path in files()} - {"__init__", "__main__"}
    assert present == FOUNDATIONS | STAGES | AROUND
    assert len(FOUNDATIONS) + len(STAGES) + len(AROUND) == len(present), "a module stands in two tables"


def test_each_outside_library_is_imported_by_its_own_module_alone() -> None:
    allowed = libraries()
    broken = []
    for path in files():
        for name in imports(path, typing=True):
            library = name.split(".")[0]
            outside = library not in sys.stdlib_module_names or library in allowed
            if library != "mac" and outside and top(path) not in allowed.get(library, ()):
                broken.append(f"{dotted(path)} imports {library}")
    assert broken == []


def test_each_library_of_the_page_is_really_imported() -> None:
    used = {name.split(".")[0] for path in files() for name in imports(path, typing=True)}
    assert {name for name in libraries() if name != "gitdb"} <= used


def test_foundations_import_foundations_only() -> None:
    broken = [
        f"{dotted(path)} imports {name}"
        for path in files()
        if top(path) in FOUNDATIONS
        for name in own(path) - FOUNDATIONS
    ]
    assert broken == []


def test_a_stage_imports_the_foundations_and_its_own_parts_only() -> None:
    broken = []
    met = set()
    for parts, _ in rows("Stages"):
        for path in files():
            if top(path) in parts:
                for name in own(path) - FOUNDATIONS - parts:
                    met.add((top(path), name))
                    if (top(path), name) not in NEIGHBOURS:
                        broken.append(f"{dotted(path)} imports {name}")
    assert broken == []
    assert met == NEIGHBOURS, "an exception that nobody needs any more"


def test_the_pipeline_alone_composes() -> None:
    """What says how it went may know a stage's values; only the command line may call a stage by itself."""
    for path in files():
        if top(path) in AROUND - {
            "pipeline",
            "generating",
            "inventory",
            "checkrun",
            "testrun",
            "audit",
            "vendoring",
            "forecasting",
            "delivery",
            "drifting",
            "explain",
            "cli",
        }:
            stages = own(path) & STAGES
            assert stages <= {"diff", "causes"}, f"{dotted(path)} imports {sorted(stages)}"


def test_nothing_but_the_command_line_and_the_demo_knows_the_command_line() -> None:
    for path in files():
        if top(path) not in ("cli", "__main__"):
            assert "cli" not in own(path), dotted(path)


def test_modules_import_one_another_without_circles() -> None:
    graph = {dotted(path): {n for n in imports(path, late=False) if n.startswith("mac.")} for path in files()}
    done: set[str] = set()

    def visit(module: str, chain: tuple[str, ...]) -> None:
        assert module not in chain, f"a circle: {' → '.join((*chain, module))}"
        if module in done:
            return
        for name in sorted(graph.get(module, ())):
            if name in graph:
                visit(name, (*chain, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def test_commands_import_nothing_heavy_before_they_run() -> None:
    broken = [
        f"{dotted(path)} imports {name}"
        for path in files()
        if top(path) == "cli" and path.name != "problems.py"
        for name in imports(path, late=False)
        if name not in LIGHT | LIGHT_STANDARD | {"click.shell_completion", "mac.cli.progress", "mac.demo"}
    ]
    assert broken == []


def test_only_the_command_line_prints_and_exits() -> None:
    """The demo's server is a program of its own: it says on standard output where it listens."""
    broken = []
    for path in files():
        if top(path) in ("cli", "__main__", "demo"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in ("print", "exit", "quit", "sys.exit", "os._exit"):
                    broken.append(f"{dotted(path)}:{node.lineno} calls {called}")
    assert broken == []


def test_modules_keep_to_a_size_that_can_be_read() -> None:
    long = {dotted(p): n for p in files() if (n := len(p.read_text(encoding="utf-8").splitlines())) > 450}
    assert long == {}


def test_nothing_names_the_place_where_it_was_written() -> None:
    """A checkout works anywhere: no file that is ours has an absolute path of a developer's machine."""
    pattern = re.compile(r"(?<![\w.])/(?:root|home/[a-z]+|Users/[A-Za-z]+)/")
    broken = [
        f"{path.relative_to(PROJECT)}"
        for folder in ("mac", "scripts", "standards", "templates", "docs")
        for path in sorted((PROJECT / folder).rglob("*"))
        if path.is_file() and path.suffix != ".pyc" and pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert broken == []

"""Draws the package's rooms and who imports whom, from the code's own imports, as a Mermaid chart.

A room is a folder; an arrow goes from the room that imports to the room that is imported. Arrows that follow from
others are left out, as are those to `core` itself and to `api`, which every room above may import.
"""

import sys
from pathlib import Path

import grimp

PACKAGE = "cloudsql_iam_operator"
FLOORS = {
    "entry: what starts the work": ("handlers", "webhook", "webhook.certificates", "cli"),
    "services: order, batching, retry": (
        "services", "services.reconcilers", "services.reconcilers.users", "services.lanes", "services.lanes.policies",
        "services.identities", "services.runtime", "services.pods", "services.waiting",
    ),
    "adapters: the systems": ("adapters.cluster", "adapters.google", "adapters.postgres", "adapters.postgres.owning"),
    "core: decisions": (
        "core.access", "core.iam", "core.users",
        "core.injection", "core.injection.application", "core.injection.sidecar", "core.injection.neighbours",
        "core.injection.workloads", "core.injection.cluster",
        "core.grants.caused", "core.grants.decided", "core.grants.changes", "core.grants.observed",
        "core.grants.desired", "core",
    ),
    "api: what users write": ("api.injection", "api.parsing", "api"),
}  # fmt: skip
EVERYWHERE = frozenset({"core", "api"})


def chart(source_root: Path) -> str:
    """The chart of the package below this source root, in lines that end with a newline.

    Raises:
        SystemExit: a folder of the package is on no floor.
    """
    arrows = _arrows(source_root)
    rooms = {room for floor in FLOORS.values() for room in floor}
    strangers = {room for arrow in arrows for room in arrow} - rooms
    if strangers:
        raise SystemExit(f"tools/rooms.py: give {', '.join(sorted(strangers))} a floor")
    lines = ["flowchart TD"]
    for number, (floor, members) in enumerate(FLOORS.items()):
        lines.append(f'  subgraph floor{number}["{floor}"]')
        lines += [f'    {_name(room)}["{room.replace(".", "/")}/"]' for room in members]
        lines.append("  end")
    drawn = {(upper, lower) for upper, lower in arrows if lower not in EVERYWHERE}
    lines += [f"  {_name(upper)} --> {_name(lower)}" for upper, lower in sorted(_reduced(drawn))]
    return "".join(f"{line}\n" for line in lines)


def _arrows(source_root: Path) -> set[tuple[str, str]]:
    sys.path.insert(0, str(source_root))
    try:
        graph = grimp.build_graph(PACKAGE, cache_dir=None)
    finally:
        sys.path.remove(str(source_root))
    packages = {module for module in graph.modules if graph.find_children(module)}
    pairs = {
        (_room(module, packages), _room(imported, packages))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    return {(upper, lower) for upper, lower in pairs if upper != lower and upper and lower}


def _room(module: str, packages: set[str]) -> str:
    package = module if module in packages else module.rpartition(".")[0]
    return package.removeprefix(PACKAGE).removeprefix(".")


def _reduced(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those arrows that no way through other rooms stands for."""
    below = {room: {lower for upper, lower in arrows if upper == room} for arrow in arrows for room in arrow}

    def reach(room: str, seen: frozenset[str]) -> set[str]:
        further = below[room] - seen
        return further.union(*(reach(lower, seen | {room}) for lower in further))

    return {
        (upper, lower)
        for upper, lower in arrows
        if not any(lower in reach(other, frozenset({upper})) for other in below[upper] - {lower})
    }


def _name(room: str) -> str:
    return room.replace(".", "_")

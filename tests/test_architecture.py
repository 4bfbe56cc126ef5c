"""The house as a table: who may import whom, what stays light, how long a file may be. Read from the source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
LONGEST_FILE_LINES = 300

FOUNDATIONS = {
    "errors",
    "timeline",
    "segments",
    "files",
    "file_kinds",
    "tensor_files",
    "parquet_files",  # tables of results and annotations: `data` reads them, `writers` and `interchange` write them
    "plain_text",
    "ranges",
    "reporting",
}
CONFIGS = {"inference.config", "training.config"}

# Room -> what it may import besides the foundations and itself. A dotted name is one module of a room.
MAY_IMPORT: dict[str, set[str]] = {
    # foundations
    "errors": set(),
    "timeline": set(),
    "segments": set(),
    "files": {"plain_text"},  # how names that are not UTF-8 are spelled in written text
    "file_kinds": set(),
    "tensor_files": {"file_kinds"},  # what kind a file is
    "parquet_files": {"files"},  # written whole or not at all, as every output
    "plain_text": {"segments"},  # what a segment is
    "ranges": set(),
    "reporting": set(),
    # leaves
    "extractors": set(),
    "video": set(),
    "models": set(),
    "pages": set(),  # web pages: templates and their data; whoever has results turns them into rows
    "writers": {"pages"},  # one of the formats is a page
    "evaluation": set(),
    # files of other people's annotation tools, players and editors; `writers` make subtitles and table cells
    "interchange": {"writers"},
    "demo": set(),  # draws videos; what trains the bundled model on them is in examples/bundled_model
    "allocation": set(),  # how the process gets memory, settled before PyTorch is imported
    # joiners
    "editing": {"video"},  # makes videos from videos: clips, chapters, burnt-in labels
    "features": {"video", "extractors"},
    "inference": {"models", "features.arrangement"},
    # annotations, predictions and samples: `evaluation.tables` are the types that scoring eats, `video` tells the
    # rates and durations that annotation files leave out.
    # `interchange` reads the files of annotation tools.
    "data": {"features", "evaluation.tables", "interchange", "video"},
    # assemblers
    # `methods` are the records of all methods, each with its network, decoding and objective
    "methods": {"models", "inference", "training"},
    "zoo": {"methods", "inference", "training.config", "extractors"},
    "training": {"data", "models"},
    "pipeline": {"video", "features", "inference", "extractors"},
    # the speed of each part of the work, so it stands beside the doors; `editing` makes the footage it is measured on
    "bench": {
        "demo", "editing", "evaluation", "extractors", "features", "inference", "methods", "models", "pipeline",
        "training", "video", "zoo",
    },
    # detection while a video goes on: `methods` for what follows a network's outputs
    "live": {"extractors", "features", "inference", "methods", "pipeline", "video"},
    # many videos: one function for one video, and the engines (here, processes, Ray) that call it
    "extraction": {"extractors", "features", "pipeline", "video", "zoo"},
    # each command as a function: everything but what draws and parses
    "workflows": {
        "data", "editing", "evaluation", "extraction", "extractors", "features", "inference", "interchange", "live",
        "methods", "models", "pages", "pipeline", "review", "training", "video", "writers", "zoo",
    },
    "review": {"data"},  # the server of `cltdr review` and its store of segments; pages are handed to it
    # doors
    "api": {"pipeline", "video", "workflows", "zoo"},  # `video` for frames that are in memory
    "console": set(),
    "commands": {
        "api", "bench", "console", "data", "demo", "evaluation", "extraction", "extractors", "features",
        "inference", "methods", "pipeline", "training", "video", "workflows", "writers", "zoo",
    },
    "main": {"allocation", "commands", "console"},
    "__main__": {"main"},
    "__init__": {"api", "workflows"},  # `from cltdr_cli import Detector, detect`, resolved when asked for
    "weights": set(),
}  # fmt: skip

# Package -> the only places that import it.
ONLY_IN = {
    "rich": {"cltdr_cli/console/"},
    "decord": {"cltdr_cli/video/decord_reader.py", "cltdr_cli/commands/doctor.py"},  # doctor asks for its version
    "transformers": {"extractors/", "cltdr_cli/commands/doctor.py"},
    # the demo world and the editing write videos
    "av": {"cltdr_cli/video/", "cltdr_cli/demo/", "cltdr_cli/editing/", "cltdr_cli/commands/doctor.py"},
    "pyarrow": {"cltdr_cli/parquet_files.py"},  # an optional extra
    "opentimelineio": {"cltdr_cli/interchange/editors.py"},
    "typer": {"cltdr_cli/commands/", "cltdr_cli/main.py"},
    "safetensors": {"cltdr_cli/", "extractors/"},
    "timm": {"extractors/timm_networks.py"},
    "huggingface_hub": {"cltdr_cli/zoo/hub.py"},
    "scipy": {"cltdr_cli/data/segmentation_archives.py"},  # an optional extra: MATLAB files
    "ray": {"cltdr_cli/extraction/ray_workers.py", "cltdr_cli/commands/doctor.py"},
}
FORBIDDEN = {"shelve", "marshal", "dill", "joblib", "cloudpickle"}
PICKLE_READERS = {"cltdr_cli/features/pickled.py"}  # an unpickler that can only make arrays
HEAVY = ("torch", "torchvision", "numpy", "pandas", "av", "decord", "transformers", "safetensors", "yaml", "rich")


@dataclass(frozen=True)
class Import:
    """One import: where it stands, what it names."""

    path: str
    line: int
    module: str
    room: str


def _sources() -> list[Path]:
    return sorted(
        path for folder in ("cltdr_cli", "extractors", "weights") for path in (REPOSITORY / folder).rglob("*.py")
    )


def _room(module: str) -> str:
    """``cltdr_cli.zoo.load`` -> ``zoo``; ``cltdr_cli`` -> ``__init__``; ``extractors.spec`` -> ``extractors``."""
    parts = module.split(".")
    if parts[0] != "cltdr_cli":
        return parts[0]
    return parts[1] if len(parts) > 1 else "__init__"


def _module(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), path.name)


@cache
def _modules() -> frozenset[str]:
    return frozenset(_module(path) for path in _sources())


def _named(node: ast.AST, inside: str) -> Iterator[str]:
    """Modules that an import statement names; ``from package import module`` names the module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{inside}:{node.lineno}: relative imports hide the room"
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield whole if whole in _modules() else str(node.module)


@cache
def _imports() -> tuple[Import, ...]:
    found: list[Import] = []
    for path in _sources():
        name = path.relative_to(REPOSITORY).as_posix()
        for node in ast.walk(_parsed(path)):
            line = getattr(node, "lineno", 0)
            found += [Import(name, line, module, _room(_module(path))) for module in _named(node, name)]
    return tuple(found)


def _is_allowed(item: Import) -> bool:
    target = _room(item.module)
    if target not in MAY_IMPORT or target == item.room:
        return True
    if item.module == "cltdr_cli":
        return item.room != "extractors"  # only __version__
    if target in FOUNDATIONS:
        return item.room not in ("extractors", "models", "weights") and _foundation_order(item.room, target)
    allowed = MAY_IMPORT[item.room]
    return target in allowed or item.module.removeprefix("cltdr_cli.") in allowed


def _foundation_order(room: str, target: str) -> bool:
    """Foundations stand on ``errors`` alone; the table says which one thing more a few of them know, and why."""
    return room not in FOUNDATIONS or target == "errors" or target in MAY_IMPORT[room]


def test_every_room_is_in_the_table():
    assert {_room(module) for module in _modules()} == set(MAY_IMPORT)


def test_imports_point_toward_the_foundations():
    wrong = [f"{i.path}:{i.line}: {i.room} may not import {i.module}" for i in _imports() if not _is_allowed(i)]
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_table_grants_nothing_that_is_not_used():
    used = {(i.room, name) for i in _imports() for name in (_room(i.module), i.module.removeprefix("cltdr_cli."))}
    unused = [
        f"{room}: {name}"
        for room, allowed in MAY_IMPORT.items()
        for name in allowed
        if (room, name) not in used and room != "commands"  # commands may use anything
    ]
    assert not unused


def test_there_are_no_circles():
    """Rooms may be put in a row so that every import points to the left."""
    needs = {
        room: {_room(name) if "." not in name else name.split(".")[0] for name in allowed}
        for room, allowed in MAY_IMPORT.items()
    }
    needs["data"] -= {"evaluation"}
    needs["zoo"] -= {"training"}  # only its config, which imports nothing
    needs["console"] = {"plain_text"}
    done: set[str] = set()
    while needs:
        free = {room for room, wanted in needs.items() if wanted - {room} <= done}
        assert free, f"a circle among {sorted(needs)}"
        done |= free
        needs = {room: wanted for room, wanted in needs.items() if room not in free}


def test_configs_are_plain_data():
    methods = {f"methods.{name}" for name in ("cltdr.config", "sliding.config", "block_config", "point_config")}
    for name in CONFIGS | methods:
        path = (REPOSITORY / "cltdr_cli" / Path(*name.split("."))).with_suffix(".py").relative_to(REPOSITORY)
        assert {i.module for i in _imports() if i.path == path.as_posix()} <= {
            "__future__",
            "cltdr_cli.ranges",
            "dataclasses",
            "pydantic.dataclasses",
            "typing",
            "cltdr_cli.methods.block_config",
            "cltdr_cli.methods.point_config",
        }


@pytest.mark.parametrize("room", ["errors", "timeline", "segments", "plain_text", "files"])
def test_foundations_need_numpy_at_most(room):
    path = f"cltdr_cli/{room}.py"
    at_import = {m.split(".")[0] for node in _parsed(REPOSITORY / path).body for m in _named(node, path)}
    assert at_import <= {*sys.stdlib_module_names, "numpy", "cltdr_cli"}


@pytest.mark.parametrize("package", sorted(ONLY_IN))
def test_packages_stay_in_their_rooms(package):
    wrong = [
        f"{i.path}:{i.line}"
        for i in _imports()
        if i.module.split(".")[0] == package and not i.path.startswith(tuple(ONLY_IN[package]))
    ]
    assert not wrong


def test_nothing_unpickles_but_the_reader_that_can_only_make_arrays():
    wrong = [f"{i.path}:{i.line}: {i.module}" for i in _imports() if i.module.split(".")[0] in FORBIDDEN]
    for path in _sources():
        name = path.relative_to(REPOSITORY).as_posix()
        used = {ast.unparse(node) for node in ast.walk(_parsed(path)) if isinstance(node, ast.Attribute)}
        used = {text for text in used if text.startswith("pickle.")} - {"pickle.UnpicklingError"}
        wrong += [f"{name}: {text}" for text in used if name not in PICKLE_READERS]
    assert not wrong


def test_loading_executes_nothing():
    """No ``torch.load`` without weights_only, ``np.load`` with pickles, unsafe ``yaml.load``, or ``eval``."""
    wrong: list[str] = []
    for path in _sources():
        name = path.relative_to(REPOSITORY).as_posix()
        for node in ast.walk(_parsed(path)):
            if isinstance(node, ast.Call) and not _is_safe_call(node):
                wrong.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
    assert not wrong, "\n" + "\n".join(wrong)


def _is_safe_call(call: ast.Call) -> bool:
    function, given = ast.unparse(call.func), {k.arg: ast.unparse(k.value) for k in call.keywords}
    if function == "torch.load":
        return given.get("weights_only") == "True"
    if function in ("np.load", "numpy.load", "np.memmap"):
        return given.get("allow_pickle", "False") == "False"
    return function not in ("eval", "exec", "yaml.load", "yaml.full_load", "yaml.unsafe_load", "os.system")


def test_no_file_is_too_long():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in _sources()}
    long = [f"{path.relative_to(REPOSITORY)}: {n} lines" for path, n in lengths.items() if n > LONGEST_FILE_LINES]
    assert not long


def test_no_method_is_named_outside_methods():
    """Whoever needs to know something of a method asks its record; only the package is named after one."""
    names = {"actionformer", "tridet", "temporalmaxer", "sliding", "wtal", "co2net", "hamnet"}
    protocol = ("cltdr_cli/data/datasets.py", "actionformer")  # a choice of THUMOS14 videos is called so
    wrong: list[str] = []
    for path in _sources():
        name = path.relative_to(REPOSITORY).as_posix()
        if name.startswith("cltdr_cli/methods/"):
            continue
        for node in ast.walk(_parsed(path)):
            if isinstance(node, ast.Constant) and node.value in names and (name, node.value) != protocol:
                wrong.append(f"{name}:{node.lineno}: {node.value!r}")
            if isinstance(node, ast.Name) and node.id.lower().removesuffix("config") in {*names, "cltdr"}:
                wrong.append(f"{name}:{node.lineno}: {node.id}")
        wrong += [
            f"{name}:{i.line}: {i.module}"
            for i in _imports()
            if i.path == name
            and i.module.startswith("cltdr_cli.methods.")
            and i.module.split(".")[2] not in ("record", "published_form")
        ]
    assert not wrong, "\n" + "\n".join(wrong)


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every text of a module, those with values in them whole."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in node.values}
            yield node.lineno, "".join(p.value if isinstance(p, ast.Constant) else "X" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def test_library_texts_name_arguments_and_not_options():
    """``fps=`` is an argument in Python; ``console.as_options`` shows it as ``--fps`` on the command line."""
    option = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
    wrong: list[str] = []
    for path in _sources():
        name = path.relative_to(REPOSITORY).as_posix()
        if name.startswith(("cltdr_cli/commands/", "cltdr_cli/main.py")):
            continue
        for line, text in _texts(_parsed(path)):
            bare = re.sub(r"`+[^`]*`+|pip install [^\"]*", "", text)  # whole commands may be named
            wrong += [f"{name}:{line}: {found}" for found in option.findall(bare)]
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_wheel_has_every_package():
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    listed = set(
        re.findall(r'"([^"]+)"', text[text.index("packages = [") : text.index("[tool.setuptools.package-dir]")])
    )
    found = {
        ".".join(path.parent.relative_to(REPOSITORY).parts) for path in (REPOSITORY / "cltdr_cli").rglob("__init__.py")
    }
    assert listed == found | {"extractors", "cltdr_cli.weights"}


def test_no_file_is_named_after_nothing():
    assert not [module for module in _modules() if module.rsplit(".", 1)[-1] in ("utils", "misc", "helpers", "common")]


def _heavy_after(code: str) -> set[str]:
    check = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def _run(*words: str, code: int) -> str:
    return (
        f"import sys\nsys.argv = ['cltdr', *{words!r}]\nfrom cltdr_cli.__main__ import main\n"
        f"try:\n    main()\nexcept SystemExit as end:\n    assert (end.code or 0) == {code}, end.code"
    )


def test_help_loads_nothing_heavy():
    assert not _heavy_after(_run("--help", code=0))
    assert not _heavy_after(_run("--version", code=0))


def test_the_help_of_no_subcommand_loads_anything_heavy():
    assert not _heavy_after(
        "import cltdr_cli\nfrom cltdr_cli import main\n"
        "names = main.app.info.cls.list_commands(None, None)\nassert len(names) > 5, names\n"
        "for name in names:\n    main.load_subcommand(name)"
    )


def test_a_mistyped_option_is_answered_without_loading_anything():
    heavy = _heavy_after(_run("detect", "--presett", "x", code=2))
    assert not heavy - {"rich"}, "rich may draw the error"

"""Which part may know which; the contracts themselves are in pyproject.toml."""

import ast
import subprocess
import sys
import tomllib

from conftest import ROOT

from service.version import VERSION


def imports_of(package):
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name.split(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield path, node.module.split(".")[0]


def test_dependency_direction():
    forbidden = {
        "model": {"service", "training", "flask", "flask_openapi3", "gunicorn", "pydantic"},
        "service": {"training", "torch", "transformers"},
        "training": {"service", "flask"},
    }
    for package, names in forbidden.items():
        found = {(path.name, name) for path, name in imports_of(package) if name in names}
        assert not found


def test_service_runs_without_torch():
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'sklearn', 'scipy', 'onnx'): sys.modules[name] = None\n"
        "from service.app import build\n"
        "reply = build().test_client().post('/v1/score', json={'text': 'Waar blijft mijn pakket?!'})\n"
        "print(reply.status_code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "200"


def test_version_is_said_once():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION

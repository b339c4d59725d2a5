"""The language host process: serves `pulumirpc.LanguageRuntime` on loopback and prints its port.

It runs programs (`Run`) through the SDK's own `pulumi-language-python-exec`, and policy packs and Python providers
(`RunPlugin`) as child processes whose output is streamed to the engine. Children end with the host, and the host
ends with the engine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import grpc
from google.protobuf import empty_pb2
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.proto import language_pb2 as messages
from pulumi.runtime.proto import language_pb2_grpc as rpc
from pulumi.runtime.proto import plugin_pb2

from infra.language_host.interpreter import Interpreter, choose
from infra.toolchain.plugin import before_the_end

EXIT_AFTER_SHOWN_ERROR = 32
"""Exit code of the program runner when it has shown its error to the user already (pulumi-language-python-exec)."""

_GRACE_SECONDS = 10.0
_MESSAGE_LIMIT = 400 * 1024 * 1024  # as the engine's own, so that large states pass


class Children:
    """The child processes of this host, so that none outlives it."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def start(self, command: list[str], **settings: Any) -> Iterator[subprocess.Popen[bytes]]:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, **settings) as child:
            with self._lock:
                self._running.add(child)
            try:
                yield child
            finally:
                _end(child)
                with self._lock:
                    self._running.discard(child)

    def end_all(self) -> None:
        with self._lock:
            running = list(self._running)
        for child in running:
            _end(child)


class LanguageHost(rpc.LanguageRuntimeServicer):
    """`runtime: python`. `engine` is the engine's address; `runner` the path of pulumi-language-python-exec."""

    def __init__(self, engine: str, runner: Path, children: Children) -> None:
        self._engine = engine
        self._runner = runner
        self._children = children

    def Handshake(self, request: Any, context: Any) -> Any:
        self._engine = request.engine_address
        return messages.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def About(self, request: Any, context: Any) -> Any:
        return messages.AboutResponse(
            executable=sys.executable, version=platform.python_version(), metadata={"host": "oss stand-in"}
        )

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        packages = [
            plugin_pb2.PackageDependency(
                name=asked.get("name") or found["name"].lower().removeprefix("pulumi-").removeprefix("pulumi_"),
                kind="resource",
                version=f"v{(asked.get('version') or found['version']).removeprefix('v')}",
                server=asked.get("server") or "",
            )
            for found in self._interpreter(request.info, context).installed()
            if (asked := found["plugin"]) and asked.get("resource")
        ]
        return messages.GetRequiredPackagesResponse(packages=packages)

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        found = self._interpreter(request.info, context).installed()
        listed = [messages.DependencyInfo(name=package["name"], version=package["version"]) for package in found]
        return messages.GetProgramDependenciesResponse(dependencies=listed)

    def InstallDependencies(self, request: Any, context: Any) -> Any:
        yield messages.InstallDependenciesResponse(stdout=b"Python packages are installed by `make setup`.\n")

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:
        return messages.RuntimeOptionsResponse()

    def Cancel(self, request: Any, context: Any) -> Any:
        self._children.end_all()
        return empty_pb2.Empty()

    def Run(self, request: Any, context: Any) -> Any:
        try:
            python = choose(_options(request.info), Path(request.info.root_directory), os.environ)
        except FileNotFoundError as error:
            return messages.RunResponse(error=str(error))
        program = Path(request.info.program_directory, request.info.entry_point or ".")
        command = [
            *(python.command, "-u", str(self._runner)),
            *("--monitor", request.monitor_address),
            *("--engine", self._engine),
            *("--project", request.project),
            *("--stack", request.stack),
            *("--organization", request.organization),
            *("--root_directory", request.info.root_directory),
            *("--pwd", request.pwd),
            *("--dry_run", str(request.dryRun).lower()),
            *("--parallel", str(request.parallel)),
            *(str(program), *request.args),
        ]
        settings = {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        with self._children.start(command, env={**python.environment, **settings}) as child:
            context.add_callback(lambda: _end(child))
            code = child.wait()
        if code == EXIT_AFTER_SHOWN_ERROR:
            return messages.RunResponse(bail=True)
        return messages.RunResponse(error=f"the program ended with exit code {code}" if code else "")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        given = dict(entry.split("=", 1) for entry in request.env) or dict(os.environ)
        python = self._interpreter(request.info, context, given)
        program = request.info.program_directory
        what = (
            ["-m", "pulumi.policy", *request.args, program] if request.kind == "analyzer" else [program, *request.args]
        )
        with self._children.start(
            [python.command, "-u", *what],
            cwd=request.pwd or None,
            env=dict(python.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as child:
            context.add_callback(lambda: _end(child))
            for stream, chunk in _output(child):
                yield (
                    messages.RunPluginResponse(stdout=chunk)
                    if stream == "stdout"
                    else messages.RunPluginResponse(stderr=chunk)
                )
            yield messages.RunPluginResponse(exitcode=child.wait())

    def _interpreter(self, info: Any, context: Any, environment: Mapping[str, str] | None = None) -> Interpreter:
        try:
            return choose(_options(info), Path(info.root_directory), os.environ if environment is None else environment)
        except FileNotFoundError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
            raise


def _options(info: Any) -> dict[str, Any]:
    return dict(MessageToDict(info.options))


def _output(child: subprocess.Popen[bytes]) -> Iterator[tuple[str, bytes]]:
    """Chunks of the child's output as they come, each with the name of its stream, until both are closed."""
    chunks: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()

    def pump(stream: IO[bytes] | None, name: str) -> None:
        while stream is not None and (chunk := os.read(stream.fileno(), 65536)):
            chunks.put((name, chunk))
        chunks.put((name, b""))

    pipes = {"stdout": child.stdout, "stderr": child.stderr}
    for name, stream in pipes.items():
        threading.Thread(target=pump, args=(stream, name), daemon=True).start()
    still_open = len(pipes)
    while still_open:
        name, chunk = chunks.get()
        if chunk:
            yield name, chunk
        else:
            still_open -= 1


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", nargs="?", default="", help="address of the engine; the handshake gives it otherwise")
    parser.add_argument("--exec", type=Path, required=True, help="path of pulumi-language-python-exec")
    arguments, _ = parser.parse_known_args()
    children = Children()
    before_the_end(children.end_all)
    server = grpc.server(
        ThreadPoolExecutor(16),
        options=[("grpc.max_receive_message_length", _MESSAGE_LIMIT), ("grpc.max_send_message_length", _MESSAGE_LIMIT)],
    )
    rpc.add_LanguageRuntimeServicer_to_server(LanguageHost(arguments.engine, arguments.exec, children), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()

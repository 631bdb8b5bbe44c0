"""The recipes for nginx and Caddy in front of the real server, with the proxies of Debian's packages."""

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.acceptance.conftest import Server, StartServer, wait_for
from tests.debian_postgres import cannot_run
from tests.ports import free_port

pytestmark = pytest.mark.release

RECIPES = Path(__file__).parents[2] / "deploy"
HOST = "sync.example.com"
VISITOR = "127.0.0.2"
FORGED = "203.0.113.7"
NGINX = """
daemon off;
pid {folder}/pid;
error_log {folder}/errors.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/bodies;
  proxy_temp_path {folder}/proxied;
  fastcgi_temp_path {folder}/unused;
  uwsgi_temp_path {folder}/unused;
  scgi_temp_path {folder}/unused;
  include {folder}/site.conf;
}}
"""


def changed(text: str, **words: str) -> str:
    """The text of a recipe with other values, each of which it has."""
    for old, new in words.items():
        assert old in text
        text = text.replace(old, new)
    return text


def certificate(folder: Path) -> tuple[str, str]:
    files = str(folder / "certificate.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    names = ["-subj", f"/CN={HOST}", "-out", files[0], "-keyout", files[1]]
    subprocess.run([*command, *names], check=True, capture_output=True, timeout=60)
    return files


def nginx(folder: Path, upstream: str, port: int) -> list[str]:
    """The command of nginx with the recipe as its only site."""
    public, private = certificate(folder)
    site = changed(
        RECIPES.joinpath("nginx.conf").read_text("utf-8"),
        **{
            "server 127.0.0.1:8000": f"server {upstream}",
            "listen 443": f"listen 127.0.0.1:{port}",
            "/etc/ssl/sync.example.com.pem": public,
            "/etc/ssl/private/sync.example.com.key": private,
        },
    )
    folder.joinpath("site.conf").write_text(site, "utf-8")
    folder.joinpath("nginx.conf").write_text(NGINX.format(folder=folder), "utf-8")
    folder.chmod(0o755)  # nginx's own account reads it
    return ["/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "errors.log")]


def caddy(folder: Path, upstream: str, port: int) -> list[str]:
    """The command of Caddy with the recipe, and a certificate of its own."""
    public, private = certificate(folder)
    text = changed(
        RECIPES.joinpath("Caddyfile").read_text("utf-8"),
        **{
            "127.0.0.1:8000": upstream,
            f"\n{HOST} {{\n": f"\nhttps://{HOST}:{port} {{\n\tbind 127.0.0.1\n\ttls {public} {private}\n",
            "\n{\n": f"\n{{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system {folder}/storage\n",
        },
    )
    folder.joinpath("Caddyfile").write_text(text, "utf-8")
    return ["/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


Proxy = Callable[[Path, str, int], list[str]]


@contextmanager
def running(proxy: Proxy, folder: Path, upstream: str) -> Iterator[int]:
    """Run the proxy in front of `upstream`, an address and port. Yields its port."""
    port = free_port()
    command = proxy(folder, upstream, port)
    if shutil.which(command[0]) is None:
        cannot_run(f"needs {command[0]}: apt-get install {Path(command[0]).name}")
    with folder.joinpath("output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env={"HOME": str(folder)}, stdout=output, stderr=output)
    try:

        def listens() -> bool:
            assert process.poll() is None, folder.joinpath("output.txt").read_text("utf-8")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_for("the proxy listens", listens)
        yield port
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "Caddy"])
def proxied(
    request: pytest.FixtureRequest, start_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, httpx.Client]]:
    """A server behind the proxy, and a visitor of the proxy, who connects from another address than the proxy."""
    server = start_server(WEB_CONCURRENCY="1", PUBLIC_URL=f"https://{HOST}")
    folder = tmp_path_factory.mktemp("proxy")
    with running(request.param, folder, server.url.removeprefix("http://")) as port:
        transport = httpx.HTTPTransport(local_address=VISITOR, verify=False)
        hooks = {"request": [lambda sent: sent.extensions.update(sni_hostname=HOST)]}
        url = f"https://127.0.0.1:{port}"
        with httpx.Client(transport=transport, base_url=url, headers={"Host": HOST}, event_hooks=hooks) as visitor:
            yield server, visitor


def test_a_visitor_cannot_forge_an_address(proxied: tuple[Server, httpx.Client]) -> None:
    """Attempts to sign in count for the address from which the visitor reaches the proxy. A form passes the proxy."""
    server, visitor = proxied
    forged = {"X-Forwarded-For": FORGED}
    page = visitor.get("/admin/login", headers=forged)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token is not None
    form = {"key": "wrong", "name": "x", "csrf_token": token[1]}
    cookies = {"Cookie": page.headers["Set-Cookie"].split(";")[0], "Referer": f"https://{HOST}/admin/login"}
    assert "; Secure" in page.headers["Set-Cookie"]
    assert visitor.post("/admin/login", data=form, headers=forged | cookies).status_code == 401
    [line] = [line for line in server.log_lines() if line["message"] == "sign-in refused"]
    assert line["address"] == VISITOR


def test_a_large_body_is_refused_by_the_proxy(proxied: tuple[Server, httpx.Client]) -> None:
    """A body over MAX_BODY_BYTES gets a 413 from the proxy, and the service logs no delivery."""
    server, visitor = proxied
    assert visitor.post("/webhook/auth", content=b"x" * 1_000_001).status_code == 413
    assert [line for line in server.log_lines() if line["message"] == "delivery"] == []


def test_metrics_are_not_public_and_browsers_stay_with_tls(proxied: tuple[Server, httpx.Client]) -> None:
    """The proxy hides /metrics, and sends Strict-Transport-Security with each page."""
    _, visitor = proxied
    assert visitor.get("/metrics").status_code == 404
    answer = visitor.get("/healthz")
    assert (answer.status_code, "max-age" in answer.headers["Strict-Transport-Security"]) == (200, True)


def test_nginx_sends_only_whole_requests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """nginx connects to the service only when it has received the whole request, so slow clients do not reach it."""
    folder = tmp_path_factory.mktemp("proxy")
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        upstream.settimeout(20)
        with running(nginx, folder, f"127.0.0.1:{upstream.getsockname()[1]}") as port:
            context = ssl._create_unverified_context()  # noqa: S323

            def opened() -> ssl.SSLSocket:
                plain = socket.create_connection(("127.0.0.1", port), timeout=20)
                return context.wrap_socket(plain, server_hostname=HOST)

            with opened() as slow_head, opened() as slow_body, opened() as whole:
                slow_head.sendall(f"GET /slow-head HTTP/1.1\r\nHost: {HOST}\r\n".encode())
                slow_body.sendall(f"POST /slow-body HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 9\r\n\r\n{{".encode())
                whole.sendall(f"GET /whole HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
                connection, _ = upstream.accept()
                with connection:
                    assert connection.recv(1000).startswith(b"GET /whole ")

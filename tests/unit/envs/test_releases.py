"""Listing releases: over a real connection to an index of this machine, with all that indexes differ in."""

from __future__ import annotations

import base64
import datetime
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.envs import releases as module
from tfmatrix.envs.releases import Index, releases, resolve_selector
from tfmatrix.envs.uv import Network

JSON = "application/vnd.pypi.simple.v1+json"


@pytest.fixture(autouse=True)
def on_linux(monkeypatch):
    monkeypatch.setattr(module, "host_platform", lambda: "linux-x86_64")
    module._files.cache_clear()


class FakeIndex:
    """Packages by name; `asked` are the paths and headers of all requests."""

    def __init__(self, url):
        self.url = url
        self.pages = {}
        self.asked = []
        self.status = 200
        self.user = ""

    def add(self, package, *files):
        found = [
            {
                "filename": name,
                "url": f"../../files/{name}",
                "hashes": {},
                "yanked": False,
                "upload-time": "2024-01-02T03:04:05.6Z",
            }
            | more
            for name, more in files
        ]
        self.pages[package] = (JSON, json.dumps({"name": package, "files": found, "meta": {"api-version": "1.1"}}))


@pytest.fixture
def serve():
    """Starts an index; any number of them."""
    servers = []

    def start():
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                fake.asked.append((self.path, dict(self.headers)))
                page = fake.pages.get(self.path.strip("/").rpartition("/")[2])
                wanted = "Basic " + base64.b64encode(fake.user.encode()).decode()
                status = fake.status if page else 404
                if fake.user and self.headers.get("Authorization") != wanted:
                    status = 401
                self.send_response(status)
                self.send_header("Content-Type", page[0] if page else "text/plain")
                self.end_headers()
                self.wfile.write(page[1].encode() if page else b"")

            def log_message(self, *arguments):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        fake = FakeIndex(f"http://127.0.0.1:{server.server_port}/simple")
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return fake

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def fake(serve):
    return serve()


def wheel(version, python="cp311", platform="manylinux_2_17_x86_64", package="tensorflow", **more):
    return (
        f"{package}-{version}-{python}-{python}-{platform}.whl",
        {key.replace("_", "-"): each for key, each in more.items()},
    )


def index_of(fake, **changes):
    return Index(**{"urls": (fake.url,), "timeout": 5.0} | changes)


@pytest.fixture
def tensorflow(fake):
    """A TensorFlow with everything that a selector must pass over."""
    fake.add(
        "tensorflow",
        wheel("2.15.0", "cp39", upload_time="2023-11-14T10:00:00Z"),
        wheel("2.15.0", "cp311", upload_time="2023-11-14T09:00:00+00:00"),
        wheel("2.15.1"),
        wheel("2.16.1"),
        wheel("2.16.2", yanked="broken metadata"),
        wheel("2.16.3", platform="win_amd64"),
        wheel("2.16.3", platform="macosx_12_0_arm64"),
        wheel("2.17.0rc0"),
        wheel("2.17.0rc1", yanked=True),
        ("tensorflow-2.15.1.exe", {}),
        ("tensorflow-0.12.0rc0-cp35-cp35m-linux_x86_64.whl", {}),
    )
    return index_of(fake)


def test_releases_are_listed_in_order_with_what_selectors_ask(tensorflow):
    found = releases("TensorFlow", tensorflow)
    assert [each.version for each in found] == ["2.15.0", "2.15.1", "2.16.1", "2.16.2", "2.16.3"]
    first, _, _, withdrawn, elsewhere = found
    assert first.uploaded == datetime.datetime(2023, 11, 14, 9, tzinfo=datetime.UTC)
    assert (first.pythons, first.yanked, first.is_choosable) == (("3.9", "3.11"), False, True)
    assert (withdrawn.yanked, withdrawn.yanked_reason, withdrawn.is_choosable) == (True, "broken metadata", False)
    assert (elsewhere.pythons, elsewhere.is_choosable) == ((), False)
    assert [each.version for each in releases("tensorflow", tensorflow, prereleases=True)][-2:] == [
        "2.17.0rc0",
        "2.17.0rc1",
    ]


@pytest.mark.parametrize(
    ("selector", "versions"),
    [
        ("2.15", ["2.15.1"]),
        ("2.x", ["2.15.1", "2.16.1"]),
        ("latest", ["2.16.1"]),
        ("rc", ["2.17.0rc0"]),
        ("2.17.0rc0", ["2.17.0rc0"]),
        (">=2.16", ["2.16.1"]),
    ],
)
def test_what_is_withdrawn_or_for_another_platform_is_never_chosen(tensorflow, selector, versions):
    assert resolve_selector(selector, tensorflow) == versions


@pytest.mark.parametrize(
    ("selector", "what", "fix"),
    [
        ("2.16.2", "tensorflow 2.16.2 was withdrawn: broken metadata", 'did you mean "2.16.1"?'),
        ("2.16.3", "tensorflow 2.16.3 has no wheel for linux-x86_64", 'did you mean "2.16.1"?'),
        ("2.15.7", 'no release of tensorflow is meant by "2.15.7"', 'did you mean "2.15.1"?'),
        ("3.x", 'no release of tensorflow is meant by "3.x"', ""),
        ("lastest", '"lastest" is no version of TensorFlow', 'did you mean "latest"?'),
    ],
)
def test_a_selector_that_chooses_nothing_says_why(tensorflow, selector, what, fix):
    with pytest.raises(UsageError) as caught:
        resolve_selector(selector, tensorflow)
    assert (caught.value.what, caught.value.fix) == (what, fix)


def test_there_need_not_be_a_release_candidate(fake):
    fake.add("tensorflow", wheel("2.17.0rc0"), wheel("2.17.0"))
    assert resolve_selector("rc", index_of(fake)) == []


def test_nightly_asks_nobody(fake):
    assert resolve_selector("nightly", index_of(fake, offline=True)) == ["nightly"]
    assert fake.asked == []


def test_nightlies_are_a_package_of_prereleases(fake):
    fake.add("tf-nightly", *(wheel(f"2.22.0.dev2026010{day}", package="tf_nightly") for day in (2, 1)))
    found = releases("tf_nightly", index_of(fake), prereleases=True)
    assert [each.version for each in found] == ["2.22.0.dev20260101", "2.22.0.dev20260102"]
    assert releases("tf-nightly", index_of(fake)) == ()
    assert fake.asked[0][0] == "/simple/tf-nightly/"


def test_an_index_that_knows_html_alone_tells_no_times(fake):
    page = """<html><body>
        <a href="../../files/keras-3.4.1-py3-none-any.whl#sha256=aa">keras-3.4.1-py3-none-any.whl</a>
        <a href="keras-3.5.0.tar.gz" data-yanked="a reason &amp; more">keras-3.5.0.tar.gz</a></body></html>"""
    fake.pages["keras"] = ("text/html; charset=utf-8", page)
    first, second = releases("keras", index_of(fake))
    assert (first.version, first.uploaded, first.pythons, first.yanked) == ("3.4.1", None, ("any",), False)
    assert (second.version, second.yanked, second.yanked_reason) == ("3.5.0", True, "a reason & more")


def test_a_package_is_asked_for_once_in_the_life_of_a_process(fake, tensorflow):
    releases("tensorflow", tensorflow)
    resolve_selector("latest", tensorflow)
    assert len(fake.asked) == 1


def test_the_first_index_that_has_a_package_counts(serve):
    first, second = serve(), serve()
    first.add("keras", ("keras-3.0.0-py3-none-any.whl", {}))
    second.add("keras", ("keras-9.0.0-py3-none-any.whl", {}))
    second.add("tensorflow", wheel("2.15.1"))
    index = Index(urls=(first.url, second.url), timeout=5.0)
    assert [each.version for each in releases("keras", index)] == ["3.0.0"]
    assert resolve_selector("latest", index) == ["2.15.1"]


def test_what_uv_is_configured_with_is_asked(serve, fake_uv, tmp_path, monkeypatch):
    default, extra = serve(), serve()
    default.user, extra.user = "me:p@ss word", "robot:secret"
    default.add("tensorflow", wheel("2.15.1"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", default.url.replace("://", "://me:p%40ss%20word@"))
    monkeypatch.setenv("UV_INDEX", f"our-own={extra.url}")
    monkeypatch.setenv("UV_INDEX_OUR_OWN_USERNAME", "robot")
    monkeypatch.setenv("UV_INDEX_OUR_OWN_PASSWORD", "secret")
    links = tmp_path / "links"
    links.mkdir()
    (links / wheel("2.16.2")[0]).touch()
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))

    index = Index.of(fake_uv.uv(tmp_path / "cache"))
    assert index.urls == (
        extra.url.replace("://", "://robot:secret@"),
        default.url.replace("://", "://me:p%40ss%20word@"),
    )
    assert [each.version for each in releases("tensorflow", index)] == ["2.15.1", "2.16.2"]
    assert len(extra.asked) == len(default.asked) == 1


def test_credentials_never_stand_in_an_error(serve):
    fake = serve()
    fake.user = "me:other"
    fake.add("tensorflow", wheel("2.15.1"))
    with pytest.raises(InfrastructureError, match="it answers 401") as caught:
        releases("tensorflow", Index(urls=(fake.url.replace("://", "://me:secret@"),), timeout=5.0))
    assert "secret" not in str(caught.value)
    assert fake.url in str(caught.value)


def test_a_package_that_nobody_has_is_a_matter_of_usage(fake):
    with pytest.raises(UsageError, match='no package "tensorfow"') as caught:
        releases("tensorfow", index_of(fake))
    assert caught.value.fix == 'did you mean "tensorflow"?'


@pytest.mark.parametrize("fault", ["refused", "500", "no JSON", "offline"])
def test_an_index_that_cannot_be_asked_is_a_matter_of_the_infrastructure(fake, fake_uv, tmp_path, fault):
    index = index_of(fake)
    fake.add("tensorflow", wheel("2.15.1"))
    if fault == "refused":
        index = Index(urls=("http://127.0.0.1:9/simple",), timeout=5.0)
    elif fault == "500":
        fake.status = 500
    elif fault == "no JSON":
        fake.pages["tensorflow"] = (JSON, "<html>maintenance</html>")
    else:
        index = Index.of(fake_uv.uv(tmp_path / "cache", Network(offline=True)))
    with pytest.raises(InfrastructureError, match="cannot be asked for the releases of tensorflow") as caught:
        releases("tensorflow", index)
    assert caught.value.fix


def session_of(url="https://index.example/simple", auth=None, **variables):
    return module._session(Index(variables=tuple(variables.items())), url, auth)


@pytest.mark.parametrize(
    ("variables", "verify"),
    [
        ({"SSL_CERT_FILE": "/ca.pem", "SSL_CERT_DIR": "/certs"}, "/ca.pem"),
        ({"SSL_CERT_DIR": "/certs"}, "/certs"),
        ({"UV_INSECURE_HOST": "other.example index.example:443", "SSL_CERT_FILE": "/ca.pem"}, False),
        ({"UV_INSECURE_HOST": "other.example", "SSL_CERT_FILE": "/ca.pem"}, "/ca.pem"),
    ],
)
def test_certificates_are_those_of_uv(variables, verify):
    session = session_of(**variables, SSL_CLIENT_CERT="/me.pem")
    assert (session.verify, session.cert) == (verify, "/me.pem")


def test_without_a_setting_the_authorities_of_the_machine_count(monkeypatch):
    """Not those of a variable that pip or curl reads: what uv would not trust is not asked."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/of/another/program.pem")
    session = session_of()
    assert session.merge_environment_settings("https://index.example", {}, None, None, None)["verify"] == session.verify
    assert session.verify in (True, *filter(None, module.ssl.get_default_verify_paths()[:2]))


@pytest.mark.parametrize(
    ("variables", "proxies"),
    [
        ({"https_proxy": "http://p:1", "ALL_PROXY": "http://a:1"}, {"https": "http://p:1", "http": "http://a:1"}),
        ({"ALL_PROXY": "http://a:1", "no_proxy": "localhost,.example"}, {}),
        ({}, {}),
    ],
)
def test_proxies_are_those_of_uv(monkeypatch, variables, proxies):
    monkeypatch.setenv("HTTPS_PROXY", "http://not.asked:1")
    assert session_of(**variables).proxies == proxies


def test_credentials_of_a_host_come_from_netrc(serve, tmp_path, monkeypatch):
    fake = serve()
    fake.user = "robot:secret"
    fake.add("tensorflow", wheel("2.15.1"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login robot password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert resolve_selector("latest", index_of(fake)) == ["2.15.1"]


def test_what_went_wrong_is_said_without_the_chain_of_wrappers():
    with pytest.raises(InfrastructureError) as caught:
        releases("keras", Index(urls=("http://127.0.0.1:9/simple",), timeout=5.0))
    assert caught.value.what.endswith("releases of keras: Connection refused")

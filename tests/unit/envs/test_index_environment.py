from __future__ import annotations

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT
from tfmatrix.envs.index import index_environment, index_files


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"PIP_INDEX_URL": "https://index.example/simple"}, {"UV_DEFAULT_INDEX": "https://index.example/simple"}),
        (
            {"PIP_EXTRA_INDEX_URL": "https://a.example  https://b.example"},
            {"UV_INDEX": "https://a.example https://b.example"},
        ),
        ({"PIP_TRUSTED_HOST": "a.example b.example"}, {"UV_INSECURE_HOST": "a.example b.example"}),
        ({"PIP_DEFAULT_TIMEOUT": "180"}, {"UV_HTTP_TIMEOUT": "180"}),
        ({"PIP_CERT": "/ca.pem"}, {"SSL_CERT_FILE": "/ca.pem"}),
        ({"PIP_CLIENT_CERT": "/me.pem"}, {"SSL_CLIENT_CERT": "/me.pem"}),
        ({"PIP_PROXY": "proxy.example:3128"}, {"ALL_PROXY": "proxy.example:3128"}),
        ({"PIP_FIND_LINKS": "https://a.example/wheels"}, {"UV_FIND_LINKS": "https://a.example/wheels"}),
    ],
)
def test_settings_of_pip_are_said_in_the_words_of_uv(given, expected):
    assert index_environment({"PIP_CONFIG_FILE": "/dev/null", **given}) == expected


@pytest.mark.parametrize(
    "given",
    [
        {"UV_DEFAULT_INDEX": "https://uv.example", "PIP_INDEX_URL": "https://pip.example"},
        {"UV_INDEX_URL": "https://uv.example", "PIP_INDEX_URL": "https://pip.example"},
        {"UV_EXTRA_INDEX_URL": "https://uv.example", "PIP_EXTRA_INDEX_URL": "https://pip.example"},
        {"https_proxy": "uv.example", "PIP_PROXY": "pip.example"},
        {"SSL_CERT_FILE": "/uv.example", "PIP_CERT": "/pip.example", "REQUESTS_CA_BUNDLE": ""},
        {"SSL_CERT_DIR": "/uv.example", "PIP_CERT": "/pip.example"},
        {"UV_REQUEST_TIMEOUT": "20", "PIP_DEFAULT_TIMEOUT": "30"},
    ],
)
def test_what_uv_is_told_itself_wins(given):
    result = index_environment({"PIP_CONFIG_FILE": "/dev/null", **given})

    assert result == {name: value for name, value in given.items() if value and not name.startswith("PIP_")}


def test_what_would_change_a_resolution_is_left_behind():
    kept = {"UV_INDEX_PRIVATE_PASSWORD": "secret", "UV_KEYRING_PROVIDER": "subprocess", "no_proxy": "localhost"}
    dropped = {
        "UV_EXCLUDE_NEWER": "2020-01-01",
        "UV_CONSTRAINT": "/c.txt",
        "UV_OVERRIDE": "/o.txt",
        "UV_PRERELEASE": "allow",
        "UV_NO_VERIFY_HASHES": "1",
        "UV_CACHE_DIR": "/elsewhere",
        "VIRTUAL_ENV": "/venv",
        "PATH": "/bin",
    }

    assert index_environment({"PIP_CONFIG_FILE": "/dev/null", **kept, **dropped}) == kept


def test_pip_conf_of_the_user_is_read_and_loses_against_variables(tmp_path):
    folder = tmp_path / ".config" / "pip"
    folder.mkdir(parents=True)
    (folder / "pip.conf").write_text(
        "[global]\nindex-url = https://conf.example/%2Fsimple\nextra_index_url =\n    https://a.example\n    https://b.example\n"
        "trusted-host = conf.example\n[install]\nno-deps = true\n"
    )

    result = index_environment(
        {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": "/nowhere", "PIP_TRUSTED_HOST": "env.example"}
    )

    assert result["UV_DEFAULT_INDEX"] == "https://conf.example/%2Fsimple"
    assert result["UV_INDEX"] == "https://a.example https://b.example"
    assert result["UV_INSECURE_HOST"] == "env.example"


def test_a_named_pip_conf_wins_over_that_of_the_user(tmp_path):
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip" / "pip.conf").write_text("[global]\nindex-url = https://user.example\n")
    (tmp_path / "named.conf").write_text("[global]\nindex-url = https://named.example\n")

    result = index_environment({"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "named.conf")})

    assert result["UV_DEFAULT_INDEX"] == "https://named.example"


def test_a_broken_pip_conf_is_passed_over(tmp_path):
    (tmp_path / "named.conf").write_text("index-url without a section")

    result = index_environment({"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "named.conf")})

    assert "UV_DEFAULT_INDEX" not in result


def test_folders_of_links_that_do_not_exist_are_dropped_because_uv_fails_on_them(tmp_path):
    words = f"{tmp_path} {tmp_path / 'absent'} relative"

    result = index_environment({"PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": words})

    assert result == {"UV_FIND_LINKS": str(tmp_path)}


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_that_uv_does_not_read_is_given_to_it(name):
    result = index_environment({"PIP_CONFIG_FILE": "/dev/null", name: "/ca.pem"})

    assert result == {name: "/ca.pem", "SSL_CERT_FILE": "/ca.pem"}


def test_files_that_a_container_needs_mounted(tmp_path):
    bundle, links = tmp_path / "ca.pem", tmp_path / "wheels"
    bundle.touch()
    links.mkdir()
    variables = {
        "SSL_CERT_FILE": str(bundle),
        "CURL_CA_BUNDLE": str(bundle),
        "SSL_CERT_DIR": str(tmp_path / "absent"),
        "UV_FIND_LINKS": f"https://a.example/wheels,{links}",
        "UV_DEFAULT_INDEX": str(tmp_path),
    }

    assert index_files(variables) == (bundle, links)


def test_the_options_of_a_file_win(tmp_path):
    own = {"UV_DEFAULT_INDEX": "https://mirror.example/simple", "UV_EXTRA_INDEX_URL": "https://more.example"}
    usual = index_environment(own, [f"--index-url {PYPI_SIMPLE_ENDPOINT}"])
    assert usual == index_environment(own)
    found = index_environment(
        own, ["--index-url https://ours.example", "--extra-index-url https://else.example", "--find-links /wheels"]
    )
    assert found["UV_DEFAULT_INDEX"] == "https://ours.example"
    assert found["UV_INDEX"] == "https://else.example https://more.example"
    assert (found["UV_FIND_LINKS"], found["UV_INDEX_STRATEGY"]) == ("/wheels", "unsafe-best-match")
    assert index_environment(own, ["--no-index"])["UV_DEFAULT_INDEX"].startswith("file:")

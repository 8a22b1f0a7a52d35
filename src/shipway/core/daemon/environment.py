"""Which environment variables the daemon keeps from the process that starts it: those it needs, and no others.

Every process of the same user can read the environment that a process was started with: a secret in it is exposed.
"""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"),
        *("TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
        # macOS adds it to every process by itself.
        "__CF_USER_TEXT_ENCODING",
        # How uv reaches the package index.
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"),
        # How the clients of container engines reach them.
        *("XDG_RUNTIME_DIR", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST"),
    }
)
_PREFIXES = ("LC_", "SHIPWAY_", "PYTHON", "UV_", "PIP_")
# Credentials for publishing packages; Shipway publishes none.
_NEVER = ("UV_PUBLISH_",)


def kept(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that the daemon starts with."""
    return {name: value for name, value in variables.items() if _is_kept(name)}


def _is_kept(name: str) -> bool:
    return (name in _NAMES or name.startswith(_PREFIXES)) and not name.startswith(_NEVER)

"""Topology and state → the text of haproxy.cfg, its two maps, and the commands that bring a running HAProxy there."""

from __future__ import annotations

import hashlib
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shipway.core.observations.observation import SIDES, other
from shipway.local.router.error_answers import all_answers, early_answers, json_error
from shipway.local.router.state import Slot, Split, State
from shipway.local.router.topology import EnvironmentTopology, Pool, ServiceRoutes, Topology

SPLITS = "splits.map"
RELEASES = "releases.map"
LARGEST_HEAD = 16 * 1024
MOST_HEADERS = 100
LIMIT_BODY = "limit_body.lua"
NO_RELEASE = "~"
LOGGED_PER_SECOND = 100
BODY_PATIENCE = 30
WHOLE_BODY = 16 * 1024
_LONGEST_DRAIN = 120.0
_FREE = Slot("", 1, draining=True)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the file refers to: sockets, the certificate with its fingerprint, the number of threads.

    `count_socket`: where bodies of undeclared length are counted; None for a HAProxy without Lua.
    """

    log_socket: str
    worker_socket: str
    count_socket: str | None
    certificate: str | None
    fingerprint: str
    threads: int


def render(topology: Topology, state: State, surroundings: Surroundings) -> str:
    """haproxy.cfg for this state. Its `description` is `shape`, so that a running HAProxy tells what it runs."""
    return _render(topology, state, surroundings, shape(topology, state, surroundings))


def shape(topology: Topology, state: State, surroundings: Surroundings) -> str:
    """A digest of what only a reload can change; tasks, splits and release names come and go without one."""
    text = _render(topology, replace(state, slots={}), surroundings, surroundings.fingerprint)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def splits_map(topology: Topology, state: State) -> str:
    """Environment → its split."""
    return "".join(f"{e.name} {split_value(state.splits.get(e.name, Split()))}\n" for e in topology.environments)


def releases_map(topology: Topology, state: State) -> str:
    """Environment and side → the release's name."""
    return "".join(
        f"{e.name}/{side} {state.releases.get((e.name, side), NO_RELEASE)}\n"
        for e in topology.environments
        for side in SIDES
    )


def split_value(split: Split) -> str:
    """Candidate, weight and other side in one map value: one change of it moves all three together."""
    return f"{split.candidate}:{split.weight}:{other(split.candidate)}"


def slot_commands(pool: Pool, internal: bool, number: int, slot: Slot | None) -> Iterator[str]:
    """Put the slot's task behind its server lines; without a task they go to maintenance."""
    for name in server_names(pool, internal, number):
        if slot is None:
            yield f"set server {name} state maint"
            continue
        yield f"set server {name} addr 127.0.0.1 port {slot.port}"
        yield f"set server {name} state {'drain' if slot.draining else 'ready'}"


def pool_commands(pool: Pool, internal: bool, slots: Mapping[int, Slot]) -> Iterator[str]:
    """Let requests that find no task wait for one, unless the pool has no task that could come back."""
    for proxy in _proxies(pool, internal):
        yield f"set server {proxy}/nobody state {'ready' if slots else 'maint'}"


def _proxies(pool: Pool, internal: bool) -> tuple[str, ...]:
    return (pool.public, pool.internal) if internal else (pool.public,)


def server_names(pool: Pool, internal: bool, number: int) -> tuple[str, ...]:
    """The server lines of a slot: health-checked and unchecked, for clients and for the side's own services."""
    return tuple(
        f"{proxy}/{server}" for proxy in _proxies(pool, internal) for server in (f"s{number}", f"s{number}-unchecked")
    )


def all_commands(topology: Topology, state: State) -> Iterator[str]:
    """Everything stored, for a HAProxy that runs the right shape but may have missed a change."""
    for environment in topology.environments:
        for pool, service in environment.pools():
            slots = state.slots.get(pool, {})
            for number in range(1, state.capacities[environment.name] + 1):
                yield from slot_commands(pool, service.internal, number, slots.get(number))
            yield from pool_commands(pool, service.internal, slots)
    for line in releases_map(topology, state).splitlines():
        yield f"set map {RELEASES} {line}"
    for line in splits_map(topology, state).splitlines():
        yield f"set map {SPLITS} {line}"


def _render(topology: Topology, state: State, surroundings: Surroundings, description: str) -> str:
    services = [service for environment in topology.environments for service in environment.services]
    longest = max((max(s.longest_session, s.answer_timeout) for s in services), default=0)
    parts = [_global(surroundings, description, max(_LONGEST_DRAIN, longest)), _DEFAULTS]
    if surroundings.count_socket is not None and services:
        parts.append(_counting(surroundings.count_socket, services))
    for environment in topology.environments:
        parts.append(_frontend(environment, surroundings))
        for pool, service in environment.pools():
            parts.append(_public_backend(pool, service, state))
            if service.internal:
                parts.append(_internal_listener(pool, service, state))
    return "\n".join(parts)


def _global(surroundings: Surroundings, description: str, hard_stop: float) -> str:
    lua = f"    lua-load-per-thread {LIMIT_BODY}\n" if surroundings.count_socket is not None else ""
    return f"""# Generated by shipway from its stored state; changes made here are lost.
global
    description {description}
    nbthread {surroundings.threads}
    # A small descriptor limit lowers maxconn instead of keeping the router from starting.
    no strict-limits
    # A second process on the same port is an error, not a silent half of the traffic. Reloads pass the sockets on.
    noreuseport
    # A worker that a reload replaced finishes what it has: so long at most.
    hard-stop-after {math.ceil(hard_stop)}s
    # Heads beyond the limits of a request reach the rule that refuses them, and so have the router's own answer.
    tune.bufsize {4 * LARGEST_HEAD}
    tune.http.maxhdr {10 * MOST_HEADERS}
    ssl-default-bind-options ssl-min-ver TLSv1.2
    # For the holder alone, which asks here for the listening sockets.
    stats socket '{surroundings.worker_socket}' mode 600 level user expose-fd listeners
{lua}    # A datagram socket: without a reader HAProxy drops the line and goes on.
    log '{surroundings.log_socket}' len 1024 format raw local0
"""


# Keep-alive towards tasks. A task may close an idle connection at the moment a request is sent on it. Three things
# keep that from clients: `http-reuse safe` sends a client's first request only over connections that proved
# reusable; the idle pool is halved every second without use, so connections are gone long before the 30 s and more
# after which servers close them; and a request that met a closed connection is sent again (`empty-response`) when
# that is harmless: GET, HEAD, or with an Idempotency-Key. So is one whose task died before its answer's head was whole
# (`junk-response`). A POST that a task may have begun is never sent twice: it is answered 502.
#
# Connection failures are always retried, nothing was sent: at once on another task, after a second where there is no
# other. One refused connection is enough to leave a task alone until a check finds it well (`observe layer4`). When all
# tasks of a service are dead, there is `nobody`, whose connections fail: so requests try again for five seconds, and
# find the task that comes back, instead of being answered 503 at once. The price: a GET that kills each task that it
# meets meets six.
#
# A frozen task still accepts connections: a check that takes a second fails, and after three it gets no new requests.
# Those that it has wait until it is killed, and are then sent again as above.
#
# random(2), not leastconn: a task that fails at once always has the fewest connections and would draw nearly all of
# the traffic; of two random ones it gets a bounded share.
#
# No on-marked-down: a failed check says nothing about requests in flight; they finish, and new ones go elsewhere.
_LIMIT = "the body may have at most %[var(txn.most)] bytes"
_TOO_LARGE = "{ req.body_size,sub(txn.most) gt 0 }"
_DEFAULTS = f"""defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout http-request 10s
    timeout http-keep-alive 30s
    timeout queue 5s
    timeout client-fin 5s
    timeout check 1s
    retries 5
    option redispatch 1
    retry-on conn-failure empty-response junk-response
    http-reuse safe
    balance random(2)
    # When every check fails, requests still go to the tasks, by their unchecked lines.
    option allbackups
    # A reload answers one more request on an idle connection rather than cutting it under a client's hand.
    option idle-close-on-response
    default-server inter 500ms fastinter 250ms downinter 250ms rise 1 fall 3 pool-purge-delay 1s
    default-server observe layer4 error-limit 1 on-error mark-down
{all_answers()}
"""


def _counting(socket: str, services: Sequence[ServiceRoutes]) -> str:
    """The detour for a body of unknown length.

    A request that declares its length is refused before its body comes. The filter that counts costs as much as all
    the rest of a request, so only requests that need it take it.
    """
    answer = max(service.answer_timeout for service in services)
    session = max(service.longest_session for service in services)
    return f"""backend counted
    timeout server {math.ceil(answer) + 5}s
    timeout tunnel {math.ceil(session)}s
    http-request disable-l7-retry
    http-request set-header x-shipway-most %[var(txn.most)]
    http-request set-header x-shipway-pool %[var(txn.pool)]
    server itself 'unix@{socket}'

frontend counting
    bind 'unix@{socket}' mode 600
    filter lua.limit_body
    http-request set-log-level silent
    http-request set-var(txn.request_id) req.fhdr(x-request-id)
    http-request set-var(txn.most) req.fhdr(x-shipway-most),add(0)
    http-request set-var(txn.pool) req.fhdr(x-shipway-pool)
    http-request del-header x-shipway- -m beg
    http-request return {json_error(413, "too_large", _LIMIT)} if {_TOO_LARGE}
    http-after-response set-status 413 reason "Content Too Large" if {{ var(txn.refused) -m found }}
    use_backend %[var(txn.pool)]
"""


def _frontend(environment: EnvironmentTopology, surroundings: Surroundings) -> str:
    name = environment.name
    https = ""
    if environment.https_port is not None and surroundings.certificate is not None:
        https = f"    bind 127.0.0.1:{environment.https_port} ssl crt {surroundings.certificate} alpn h2,http/1.1\n"
    routes = sorted(
        ((route, service) for service in environment.services for route in service.routes),
        key=lambda entry: (entry[0].endswith("*"), -len(entry[0])),
    )
    choose = "\n".join(
        f"    http-request set-var(txn.service) str({service.name}) if !chosen {{ {_matches(route)} }}{_on(service)}"
        for route, service in routes
    )
    # HAProxy takes lines of up to 2,048 characters.
    allowed = textwrap.shorten(", ".join(sorted({route for route, _ in routes})) or "none", 800, placeholder=" ...")
    most = f"the request may have at most {MOST_HEADERS} headers, of {LARGEST_HEAD} bytes altogether"
    uri_too_long = json_error(414, "uri_too_long", f"the path may have at most {LARGEST_HEAD} bytes")
    too_long = json_error(431, "headers_too_large", most)
    limits = "\n".join(_limit(service) for service in environment.services)
    origins = "".join(_origin(service) for service in environment.services)
    cors = origins + _CORS if origins else ""
    # HTTP/1.1 says that a body comes, HTTP/2 does not before it comes. Over HTTP/2 the way round also refuses the
    # declared length, because an answer of this frontend's own would be overtaken by the reset of its upload.
    counted = (
        ""
        if surroundings.count_socket is None
        else """    use_backend counted if { req.fhdr(transfer-encoding) -m found }
    use_backend counted if { req.ver 2.0 } !{ req.fhdr(content-length) -m found } !METH_GET
    use_backend counted if { req.ver 2.0 } { req.body_size,sub(txn.most) gt 0 }
    use_backend counted if { req.ver 2.0 } !{ req.fhdr(content-length) -m found } { req.body_size gt 0 }
"""
    )
    at_once = "" if surroundings.count_socket is None else " !{ req.ver 2.0 }"
    return f"""frontend edge.{name}
    bind 127.0.0.1:{environment.port}
{https}{early_answers()}
    log global
    log-format "shipway {name} %[var(txn.side)] %ST %ts %[var(txn.head)] %HM %HP"
    acl chosen var(txn.service) -m found
    http-request set-log-level silent
    # What only the router may say.
    http-request del-header x-shipway- -m beg
    http-request set-header x-forwarded-for %[src]
    http-request set-header x-forwarded-proto %[ssl_fc,iif(https,http)]
    acl usable_id req.fhdr(x-request-id) -m reg ^[A-Za-z0-9._:/+=@-]{{1,128}}$
    http-request set-header x-request-id %[uuid()] unless {{ req.fhdr_cnt(x-request-id) eq 1 }} usable_id
    http-request set-var(txn.request_id) req.fhdr(x-request-id)
    http-request return {uri_too_long} if {{ url,length gt {LARGEST_HEAD} }}
    http-request return {too_long} if {{ req.hdrs,length gt {LARGEST_HEAD} }} or {{ req.fhdr_cnt gt {MOST_HEADERS} }}
    # The cohort: sticky by device, else drawn anew for each request. The split is read once, so it is never half new.
    http-request set-var(txn.cohort) rand(10000)
    http-request set-var(txn.cohort) req.fhdr(x-device-id),xxh32,mod(10000) if {{ req.fhdr(x-device-id) -m len gt 0 }}
    http-request set-var(txn.split) str({name}),map_str({SPLITS})
    http-request set-var(txn.weight) var(txn.split),field(2,:)
    http-request set-var(txn.side) var(txn.split),field(3,:)
    http-request set-var(txn.side) var(txn.split),field(1,:) if {{ var(txn.cohort),sub(txn.weight) lt 0 }}
    # A release may bring other paths: the side is known first, so nobody is sent to a service that his side lacks.
{choose}
{cors}{limits}
    http-request return {json_error(413, "too_large", _LIMIT)} if {_TOO_LARGE}{at_once}
    http-request return {json_error(404, "not_found", f"no service answers this path; routes: {allowed}")} if !chosen
    # The service's time begins once the request is here: a small body is waited for, so that a slow client costs no
    # task anything. Of a body that is chunked or large nobody knows when it was complete, so nothing is measured.
    acl sized req.fhdr(content-length) -m found
    acl sends method POST PUT PATCH
    http-request wait-for-body time {BODY_PATIENCE}s at-least {WHOLE_BODY} if sized
    http-request set-var(txn.length) req.fhdr(content-length)
    http-request set-var(txn.start) date(0,us) if sized {{ req.body_len,sub(txn.length) ge 0 }}
    http-request set-var(txn.start) date(0,us) if !sized !sends !{{ req.fhdr(transfer-encoding) -m found }}
    http-response set-var(txn.head) date(0,us),sub(txn.start) if {{ var(txn.start) -m found }} !{{ status 101 }}
    http-request set-var(txn.pool) str(public.{name}.),concat(,txn.side,.),concat(,txn.service)
    http-request set-var(txn.release) str({name}/),concat(,txn.side),map_str({RELEASES},{NO_RELEASE})
    http-after-response del-header x-shipway- -m beg
    http-after-response set-header x-request-id %[var(txn.request_id)] if {{ var(txn.request_id) -m found }}
    http-after-response set-header x-shipway-side %[var(txn.side)] if {{ var(txn.side) -m found }}
    acl named var(txn.release) -m reg ^[^{NO_RELEASE}]
    http-after-response set-header x-shipway-release %[var(txn.release)] if named
    http-after-response set-log-level info if {{ status ge 500 }}
{counted}    use_backend %[var(txn.pool)]
"""


def _limit(service: ServiceRoutes) -> str:
    chosen = f"{{ var(txn.service) -m str {service.name} }}{_on(service)}"
    return f"    http-request set-var(txn.most) int({service.largest_body}) if {chosen}"


def _check(service: ServiceRoutes) -> str:
    return f"""    option httpchk
    # linger: it ends with FIN. By default HAProxy resets the connection, which servers log as a client's fault.
    http-check connect linger
    http-check send meth GET uri {service.ready} hdr host {service.check_host} hdr user-agent shipway-router
    http-check expect status 200"""


def _retries(service: ServiceRoutes) -> str:
    """A request that a task may have carried out already is sent to another one only where that does no harm."""
    if service.idempotent:
        return ""
    return "    http-request disable-l7-retry unless METH_GET or { req.fhdr(idempotency-key) -m found }\n"


def _origin(service: ServiceRoutes) -> str:
    """Notes the page that asks, if it is one that may read what the router itself answers for the service."""
    if not service.origins:
        return ""
    chosen = f"{{ var(txn.service) -m str {service.name} }}{_on(service)}"
    allowed = " ".join(service.origins)
    return (
        f"    http-request set-var(txn.origin) req.fhdr(origin) if {chosen} {{ req.fhdr(origin) -m str {allowed} }}\n"
    )


_CORS = """    # For pages of other origins, which see of an error without these headers no more than that there was one. Asked
    # whether they may ask (OPTIONS) while nothing answers, they may: the error is the answer to what they ask then.
    http-request set-var(txn.asked) req.fhdr(access-control-request-method) if METH_OPTIONS { var(txn.origin) -m found }
    http-request set-var(txn.headers) req.fhdr(access-control-request-headers) if { var(txn.asked) -m found }
    acl cors var(txn.origin) -m found
    acl answered res.fhdr(access-control-allow-origin) -m found
    http-after-response set-status 200 if cors !answered { var(txn.asked) -m found } { status ge 500 }
    http-after-response set-header access-control-allow-methods %[var(txn.asked)] if cors !answered { var(txn.asked) -m found }
    http-after-response set-header access-control-allow-headers %[var(txn.headers)] if cors !answered { var(txn.headers) -m found }
    http-after-response set-header access-control-expose-headers "retry-after, x-request-id" if cors !answered
    http-after-response add-header vary origin if cors !answered
    http-after-response set-header access-control-allow-origin %[var(txn.origin)] if cors !answered
"""


def _timeouts(service: ServiceRoutes) -> str:
    answer, session = math.ceil(service.answer_timeout * 1000), math.ceil(service.longest_session * 1000)
    return f"    timeout server {answer}ms\n    timeout tunnel {session}ms"


def _matches(route: str) -> str:
    return f"path_beg {route[:-1]}" if route.endswith("*") else f"path -m str {route}"


def _on(service: ServiceRoutes) -> str:
    return "" if service.sides == SIDES else "".join(f" {{ var(txn.side) -m str {side} }}" for side in service.sides)


def _public_backend(pool: Pool, service: ServiceRoutes, state: State) -> str:
    return f"""backend {pool.public}
{_timeouts(service)}
{_check(service)}
{_retries(service)}    # At most about {LOGGED_PER_SECOND} lines a second for each backend; failures are always logged.
    http-request set-var(txn.rate) be_sess_rate
    http-request set-log-level info if {{ rand(1000),mul(txn.rate) lt {LOGGED_PER_SECOND * 1000} }}
{_servers(pool, state)}
"""


def _internal_listener(pool: Pool, service: ServiceRoutes, state: State) -> str:
    return f"""listen {pool.internal}
    bind 127.0.0.1:{state.internal_ports[pool]}
{_timeouts(service)}
{_check(service)}
{_retries(service)}{_servers(pool, state)}
"""


def _servers(pool: Pool, state: State) -> str:
    slots = state.slots.get(pool, {})
    # No task listens on port 1: a request that it gets tries again, a second later.
    lines = [f"    server nobody 127.0.0.1:1 backup weight 1{'' if slots else ' disabled'}"]
    for number in range(1, state.capacities[pool.environment] + 1):
        slot = slots.get(number, _FREE)
        # A process that starts now has nothing in flight, so a draining slot starts as a free one does.
        disabled = " disabled" if slot.draining else ""
        lines.append(f"    server s{number} 127.0.0.1:{slot.port} weight 100 check{disabled}")
        lines.append(f"    server s{number}-unchecked 127.0.0.1:{slot.port} backup weight 100{disabled}")
    return "\n".join(lines)

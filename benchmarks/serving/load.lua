-- What wrk asks: `wrk … URL -- BODIES PATH`. BODIES holds one request body a line; connections take turns through them.
-- At the end one line of JSON: requests, seconds, errors, and latencies in microseconds.
local requests, turn = {}, 0

function init(arguments)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  for body in io.lines(arguments[1]) do
    wrk.body = body
    requests[#requests + 1] = wrk.format(nil, arguments[2])
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %f, "p50": %d, "p99": %d, "not_ok": %d, "broken": %d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end

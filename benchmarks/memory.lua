-- What wrk asks: `wrk … URL -- REQUESTS`. REQUESTS holds one request a line: content type, tab, body. They take turns.
-- At the end one line of JSON.
local requests, turn = {}, 0

function init(arguments)
  wrk.method = "POST"
  for line in io.lines(arguments[1]) do
    local kind, body = line:match("^(.-)\t(.*)$")
    requests[#requests + 1] = wrk.format(nil, "/predict", {["Content-Type"] = kind}, body)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "refused": %d, "broken": %d}',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end

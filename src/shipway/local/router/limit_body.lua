-- Counts a request's body as it comes, and ends the request once there is more than `txn.most` bytes of it.

local limit = {id = "limit_body", flags = filter.FLT_CFG_FL_HTX}
limit.__index = limit

function limit.new()
    return setmetatable({seen = 0}, limit)
end

function limit:start_analyze(_, channel)
    if not channel:is_resp() then
        filter.register_data_filter(self, channel)
    end
end

function limit:http_payload(txn, message)
    -- Not message:input(), which counts trailers, too.
    self.seen = self.seen + #(message:body() or "")
    if self.seen > txn:get_var("txn.most") then
        txn:set_var("txn.refused", "too_large")
        txn:set_var("txn.why", string.format("the body may have at most %d bytes", txn:get_var("txn.most")))
        -- An error is the one way to end a request here: HAProxy takes filter.ERROR for a count of bytes.
        error("the body is too large")
    end
end

core.register_filter("limit_body", limit, function(filter, _)
    return filter
end)

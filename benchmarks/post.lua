-- wrk: POST the bodies of a file in turn, one a line; count the kinds of answers.
local bodies = {}
local next_body = 0
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  for line in io.lines(args[1]) do bodies[#bodies + 1] = line end
  next_body = math.random(#bodies)
  statuses = ""
  ok, unavailable, other = 0, 0, 0
end

function request()
  next_body = next_body % #bodies + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[next_body])
end

function response(status)
  if status == 200 then ok = ok + 1
  elseif status == 503 or status == 429 then unavailable = unavailable + 1
  else other = other + 1 end
end

function done(summary, latency, requests)
  local ok, unavailable, other = 0, 0, 0
  for _, thread in ipairs(threads) do
    ok = ok + thread:get("ok"); unavailable = unavailable + thread:get("unavailable"); other = other + thread:get("other")
  end
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    'RESULT {"ok": %d, "unavailable": %d, "other": %d, "errors": %d, "seconds": %.4f, "p50_ms": %.3f, "p99_ms": %.3f}\n',
    ok, unavailable, other, errors, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end

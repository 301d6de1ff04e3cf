-- The load for wrk: each request is one click with an id of its own, or an array of them.
--   wrk … URL -- FILE SEED RATE BATCH BAD
-- FILE has clicks, one a line, that begin with a UUID as their id. SEED keeps the ids of two
-- runs apart. RATE is how many requests a second are begun; 0 is as many as are answered. BATCH
-- is how many clicks a body has. Of a hundred requests BAD have a body that is none.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds, nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]]
local moment = ffi.new("moment")

local function milliseconds()
  ffi.C.clock_gettime(1, moment) -- 1: the monotonic clock
  return tonumber(moment.seconds) * 1e3 + tonumber(moment.nanoseconds) / 1e6
end

local head = "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
-- Cut off, no JSON, nested too deep, nothing, a number, and half of a character.
local worthless = { '{"id":"a","action":"vi', 'action=view', string.rep('[', 5000), '', '17', '{"a":"\\ud83' }
local heads, tails, count, turn, base, batch, bad = {}, {}, 0, 0, 0, 1, 0

function init(args)
  for line in io.lines(args[1]) do
    count = count + 1
    heads[count] = head .. #line .. '\r\n\r\n{"id":"'
    tails[count] = line:sub(44) -- from the quote behind the id on
  end
  math.randomseed(tonumber(args[2]))
  base = tonumber(args[2]) * 2 ^ 32
  batch, bad = tonumber(args[4]), tonumber(args[5])
  local rate = tonumber(args[3])
  if rate > 0 then
    -- Moments of a Poisson process; whichever connection is free takes the next.
    local due = milliseconds()
    function delay()
      due = due - math.log(1 - math.random()) * 1e3 / rate
      return math.max(0, math.floor(due - milliseconds() + 0.5))
    end
  end
end

local function id()
  local random = math.random
  return string.format("%08x-%04x-4%03x-8%03x-%012x", random(0, 2 ^ 32 - 1), random(0, 0xffff),
    random(0, 0xfff), random(0, 0xfff), base + turn)
end

local function next()
  turn = turn + 1
  return turn % count + 1
end

function request()
  if bad > 0 and math.random(100) <= bad then
    local body = worthless[math.random(#worthless)]
    return head .. #body .. "\r\n\r\n" .. body
  end
  if batch == 1 then
    local at = next()
    return heads[at] .. id() .. tails[at]
  end
  local clicks = {}
  for place = 1, batch do
    local at = next()
    clicks[place] = '{"id":"' .. id() .. tails[at]
  end
  local body = "[" .. table.concat(clicks, ",") .. "]"
  return head .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"refused":%d,"unanswered":%d,"seconds":%.6f,"p50":%.3f,"p99":%.3f}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end

-- wrk sends each request of a file once: wrk -t1 -cN -s load.lua ... -- REQUESTS RESULT N. After the last response it writes to RESULT how
-- many requests were sent, and the times of the first request and the last response.
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } moment; int clock_gettime(int, moment *);")

local requests, result, connections = {}, nil, nil
local taken, sent = 0, 0
local is_verified, started = false, nil

local function now()
  local moment = ffi.new("moment")
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.s) + tonumber(moment.ns) / 1e9
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  result, connections = arguments[2], tonumber(arguments[3])
  while true do
    local length = file:read("*n")
    if not length then break end
    file:read(1)
    requests[#requests + 1] = file:read(length)
  end
  file:close()
end

local function finish()
  local file = assert(io.open(result .. ".new", "w"))
  file:write(string.format("%d %.6f %.6f\n", sent, started, now()))
  file:close()
  os.rename(result .. ".new", result)
  wrk.thread:stop()
end

-- wrk calls this on a connection before each request, so after the response to the last one. When all requests are taken, the connection
-- waits for ever; when all connections wait, the last response has arrived. (wrk's `response` would say so too, but copies each response.)
function delay()
  taken = taken + 1
  if taken == #requests + connections then finish() end
  if taken > #requests then return 1e8 end
  return 0
end

function request()
  if not is_verified then  -- wrk checks one request before it starts, and does not send it
    is_verified = true
    return requests[1]
  end
  started = started or now()
  sent = sent + 1
  return requests[math.min(sent, #requests)]  -- beyond the last: a connection broke and wrk repeats, which makes the run invalid
end

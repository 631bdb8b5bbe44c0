-- wrk sends each request of a file once: wrk -t1 -s load.lua ... -- REQUESTS RESULT. The result is written when the last answer is
-- there: how many were sent and refused, and the moments of the first request and the last answer.
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } moment; int clock_gettime(int, moment *);")

local requests, result = {}, nil
local taken, sent, answered, refused = 0, 0, 0, 0
local is_verified, started = false, nil

local function now()
  local moment = ffi.new("moment")
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.s) + tonumber(moment.ns) / 1e9
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  result = arguments[2]
  while true do
    local length = file:read("*n")
    if not length then break end
    file:read(1)
    requests[#requests + 1] = file:read(length)
  end
  file:close()
end

-- Asked before each request: when all are taken, a connection waits for ever.
function delay()
  taken = taken + 1
  if taken > #requests then return 1e8 end
  return 0
end

function request()
  if not is_verified then  -- wrk looks at one before it starts, and does not send it
    is_verified = true
    return requests[1]
  end
  started = started or now()
  sent = sent + 1
  return requests[math.min(sent, #requests)]  -- beyond: a connection broke and wrk asks again, which spoils the run
end

function response(status)
  answered = answered + 1
  if status < 200 or status > 299 then refused = refused + 1 end
  if answered == #requests then
    local file = assert(io.open(result .. ".new", "w"))
    file:write(string.format("%d %d %.6f %.6f\n", sent, refused, started, now()))
    file:close()
    os.rename(result .. ".new", result)
    wrk.thread:stop()
  end
end

-- The part of the sandbox that is easier said in Lua: read-only tables, errors as scripts may see them, and
-- names of values that do not show where they are in memory. `host` holds what Rust lends to it.
local host = ...

local error, type, select = error, type, select
local raw_pairs, raw_ipairs, next, raw_tostring = pairs, ipairs, next, tostring
local raw_pcall, raw_xpcall = pcall, xpcall
local raw_rawset, raw_rawget = rawset, rawget
local raw_setmetatable, raw_getmetatable = setmetatable, getmetatable
local raw_loadstring, raw_resume = loadstring, coroutine.resume
local byte, concat, format, sort = string.byte, table.concat, string.format, table.sort
local raw_tonumber, raw_unpack, raw_insert = tonumber, unpack, table.insert
local ceil, floor, huge = math.ceil, math.floor, math.huge

local READ_ONLY = "Attempt to modify a readonly table"

-- Read-only tables are empty ones in front of their content.
local content_of = raw_setmetatable({}, { __mode = "k" })
local locked = {}

local function refuse_change()
    error(READ_ONLY, 2)
end

local function protect(content)
    local front = {}
    content_of[front] = content
    return raw_setmetatable(front, { __index = content, __newindex = refuse_change, __metatable = locked })
end

local function got(count, value)
    return count == 0 and "no value" or type(value)
end

local function expect(kind, position, name, count, value)
    if type(value) ~= kind then
        local text = "bad argument #%d to '%s' (%s expected, got %s)"
        error(format(text, position, name, kind, got(count, value)), 3)
    end
end

-- Order. Lua places keys that are tables, functions or coroutines by their addresses, and with them what shares
-- the table: no two runs would agree. Where one key is such, there is an order of our own: numbers, texts, truths,
-- then that key. Of several none comes first.
local nameless = { table = true, ["function"] = true, thread = true, userdata = true }
local ranks = { number = 1, string = 2, boolean = 3, userdata = 4 }

local function comes_before(one, other)
    local kind = type(one)
    if kind ~= type(other) then return (ranks[kind] or 5) < (ranks[type(other)] or 5) end
    if kind == "boolean" then return not one and other end
    return one < other
end

-- The keys of a table in our own order; nothing where Lua's is the same in every run.
local function keys_in_order(t)
    local unnamed
    for key in next, t do
        if nameless[type(key)] and key ~= host.null then
            if unnamed ~= nil then error(host.no_order, 3) end
            unnamed = key
        end
    end
    if unnamed == nil then return nil end
    local keys = {}
    for key in next, t do
        if key ~= unnamed then keys[#keys + 1] = key end
    end
    sort(keys, comes_before)
    keys[#keys + 1] = unnamed
    return keys
end

local function pairs(...)
    local t = ...
    expect("table", 1, "pairs", select("#", ...), t)
    t = content_of[t] or t
    local keys = keys_in_order(t)
    if not keys then return next, t, nil end
    local at = 0
    return function()
        while true do
            at = at + 1
            local key = keys[at]
            if key == nil then return nil end
            local value = raw_rawget(t, key)
            if value ~= nil then return key, value end
        end
    end, t, nil
end

-- The walk that `next` is on, through a table in our own order.
local walks = raw_setmetatable({}, { __mode = "k" })

local function ordered_next(...)
    local t, key = ...
    expect("table", 1, "next", select("#", ...), t)
    if key == nil then walks[t] = keys_in_order(t) end
    local keys = walks[t]
    if not keys then return next(t, key) end
    local passed = key == nil
    for _, candidate in raw_ipairs(keys) do
        if passed then
            local value = raw_rawget(t, candidate)
            if value ~= nil then return candidate, value end
        elseif candidate == key then
            passed = true
        end
    end
    return nil
end

local function foreach(...)
    local t, f = ...
    expect("table", 1, "foreach", select("#", ...), t)
    expect("function", 2, "foreach", select("#", ...) - 1, f)
    for key, value in pairs(t) do
        local result = f(key, value)
        if result ~= nil then return result end
    end
end

local function rawset(...)
    local t, key, value = ...
    expect("table", 1, "rawset", select("#", ...), t)
    if content_of[t] then error(READ_ONLY, 0) end
    return raw_rawset(t, key, value)
end

local function rawget(...)
    local t, key = ...
    expect("table", 1, "rawget", select("#", ...), t)
    return raw_rawget(content_of[t] or t, key)
end

local function setmetatable(...)
    local t, metatable = ...
    expect("table", 1, "setmetatable", select("#", ...), t)
    if content_of[t] then error(READ_ONLY, 0) end
    return raw_setmetatable(t, metatable)
end

-- Errors. What Rust raises arrives as userdata, and goes on as a string or a table.
local function settle(ok, ...)
    if ok then return true, ... end
    local reason = host.plain((...))
    if type(reason) == "table" then
        local line = raw_rawget(reason, "err")
        if type(line) == "string" then reason = line end
    end
    return false, reason
end

local function pcall(...)
    if select("#", ...) == 0 then error("bad argument #1 to 'pcall' (value expected)", 2) end
    return settle(raw_pcall(...))
end

local function settle_handled(ok, ...)
    if not ok then host.plain((...)) end
    return ok, ...
end

local function xpcall(...)
    local f, handler = ...
    if select("#", ...) < 2 then error("bad argument #2 to 'xpcall' (value expected)", 2) end
    return settle_handled(raw_xpcall(f, function(reason) return handler(host.plain(reason)) end))
end

local function settle_resumed(ok, ...)
    if ok then return true, ... end
    return false, host.plain((...))
end

local function resume(...)
    return settle_resumed(raw_resume(...))
end

-- Code. Only text is compiled: what claims to be compiled already could do anything.
local function loadstring(...)
    local code, name = ...
    if type(code) == "number" then code = raw_tostring(code) end
    expect("string", 1, "loadstring", select("#", ...), code)
    if byte(code, 1) == 27 then return nil, "attempt to load a binary chunk" end
    return raw_loadstring(code, name)
end

local function load(...)
    local read, name = ...
    expect("function", 1, "load", select("#", ...), read)
    local pieces = {}
    while true do
        local piece = read()
        if piece == nil or piece == "" then break end
        if type(piece) ~= "string" then return nil, "reader function must return a string" end
        pieces[#pieces + 1] = piece
    end
    local code = concat(pieces)
    if byte(code, 1) == 27 then return nil, "attempt to load a binary chunk" end
    return raw_loadstring(code, name or "=(load)")
end

-- Names of values that have none: numbered as they are first shown.
local numbers = raw_setmetatable({}, { __mode = "k" })
local shown = 0
local function tostring(...)
    local value = ...
    if select("#", ...) == 0 then error("bad argument #1 to 'tostring' (value expected)", 2) end
    local kind = type(value)
    if not nameless[kind] then return raw_tostring(value) end
    if value == host.null then return "userdata: (nil)" end
    if kind == "table" then
        local metatable = raw_getmetatable(value)
        if type(metatable) == "table" and raw_rawget(metatable, "__tostring") then return raw_tostring(value) end
    end
    local number = numbers[value]
    if not number then
        shown = shown + 1
        number = shown
        numbers[value] = number
    end
    return format("%s: 0x%012x", kind, number * 32)
end

-- Lengths. Lua's own functions count in C's integers, where a length may overflow, and walk without asking.
local INTEGER_END = 2 ^ 31
local UNPACKED_MAX = 7000
local SHIFTED_MAX = 1000000

-- What C makes of a number: its fraction is cut off, and so is what 32 bits do not hold.
local function as_integer(number)
    if number ~= number or number == huge or number == -huge then return 0 end
    number = number < 0 and ceil(number) or floor(number)
    return (number + INTEGER_END) % (2 * INTEGER_END) - INTEGER_END
end

local function unpack(...)
    local t, first, last = ...
    local from = first == nil and 1 or raw_tonumber(first)
    if type(t) ~= "table" or not from then return raw_unpack(...) end
    local to = last == nil and #t or raw_tonumber(last)
    if not to then return raw_unpack(...) end
    from, to = as_integer(from), as_integer(to)
    if to - from >= UNPACKED_MAX then error("too many results to unpack", 2) end
    return raw_unpack(t, from, to)
end

local function insert(...)
    local t, position = ...
    if select("#", ...) == 3 and type(t) == "table" then
        local at = raw_tonumber(position)
        if at and #t - as_integer(at) > SHIFTED_MAX and as_integer(at) < 1 then
            error("bad argument #2 to 'insert' (position out of bounds)", 2)
        end
    end
    return raw_insert(...)
end

-- Patterns. Matching goes one level deeper with each item of a pattern: a pattern without measure would not
-- end in an error but with the stack.
local function bounded(match, position, name)
    return function(...)
        local pattern = select(position, ...)
        if type(pattern) == "string" and #pattern > host.pattern_bytes_max then
            error("malformed pattern (too long) in '" .. name .. "'", 2)
        end
        return match(...)
    end
end

for _, name in raw_pairs({ "find", "match", "gmatch", "gfind", "gsub" }) do
    string[name] = bounded(string[name], 2, name)
end

math.random, math.randomseed = host.random, host.randomseed
coroutine.resume = resume
table.foreach, table.insert = foreach, insert

local libraries = { "string", "table", "math", "coroutine" }
local functions = {
    assert = assert, collectgarbage = collectgarbage, error = error, gcinfo = gcinfo,
    getmetatable = raw_getmetatable, ipairs = ipairs, load = load, loadstring = loadstring, next = ordered_next,
    pairs = pairs, pcall = pcall, rawequal = rawequal, rawget = rawget, rawset = rawset, select = select,
    setmetatable = setmetatable, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack,
    xpcall = xpcall, _VERSION = _VERSION,
}

local function missing(_, name)
    error("Script attempted to access nonexistent global variable '" .. raw_tostring(name) .. "'", 2)
end

-- The globals of a running script.
local content = {}
for name, value in raw_pairs(functions) do content[name] = value end
for _, name in raw_pairs(libraries) do content[name] = protect(_G[name]) end
for name, library in raw_pairs(host.libraries) do content[name] = protect(library) end
raw_setmetatable(content, { __index = missing })
local globals = protect(content)
content._G = globals
raw_getmetatable("").__metatable = protect({ __index = content.string })

-- The globals of a library of functions while it is being loaded: it can do nothing but register.
raw_setmetatable(host.loading, { __index = missing })
local loading = { redis = protect(host.loading) }
raw_setmetatable(loading, { __index = missing })
local front = {}
content_of[front] = content
local front_meta = { __index = content, __newindex = refuse_change, __metatable = locked }
raw_setmetatable(front, front_meta)

local prelude = { globals = globals, content = content, library_globals = front }

function prelude.begin_loading() front_meta.__index = loading end

function prelude.end_loading() front_meta.__index = content end

function prelude.run(f, keys, args)
    return raw_xpcall(function() return f(keys, args) end, host.handler)
end

-- Nothing that one script leaves in a table of the sandbox is seen by the next.
function prelude.tidy()
    for t in raw_pairs(content_of) do
        while true do
            local key = next(t)
            if key == nil then break end
            raw_rawset(t, key, nil)
        end
    end
    for key in raw_pairs(locked) do locked[key] = nil end
end

return prelude

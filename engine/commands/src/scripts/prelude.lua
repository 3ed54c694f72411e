-- The part of the sandbox that is easier said in Lua: read-only tables, errors as scripts may see them, and
-- names of values that do not show where they are in memory. `host` holds what Rust lends to it.
local host = ...

local error, type, select = error, type, select
local raw_pairs, raw_ipairs, next, raw_tostring = pairs, ipairs, next, tostring
local raw_pcall, raw_xpcall = pcall, xpcall
local raw_rawset, raw_rawget = rawset, rawget
local raw_setmetatable, raw_getmetatable = setmetatable, getmetatable
local raw_resume = coroutine.resume
local byte, concat, format, sort = string.byte, table.concat, string.format, table.sort
local raw_tonumber = tonumber
-- What they refuse they refuse under the names of these fields.
local raw = { unpack = unpack, insert = table.insert, setmetatable = setmetatable, loadstring = loadstring }
local ceil, floor = math.ceil, math.floor

local READ_ONLY = "Attempt to modify a readonly table"

-- Raises an error at the place that called the function of this file that refuses something: `depth` is 1 in that
-- function, 2 in one that it has called. Called as the last thing that a script does, the function has taken the
-- script's frame, and no place is found; then the text begins as an error of this file does, and the host may know one.
local function refuse(text, depth)
    local _, placed = raw_pcall(error, text, depth + 3)
    if placed == text then placed = "squall:0: " .. text end
    error(placed, 0)
end

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
        refuse(format(text, position, name, kind, got(count, value)), 2)
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
            if unnamed ~= nil then refuse(host.no_order, 2) end
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
    return raw.setmetatable(t, metatable)
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
    if select("#", ...) == 0 then refuse("bad argument #1 to 'pcall' (value expected)", 1) end
    return settle(raw_pcall(...))
end

local function settle_handled(ok, ...)
    if not ok then host.plain((...)) end
    return ok, ...
end

local function xpcall(...)
    local f, handler = ...
    if select("#", ...) < 2 then refuse("bad argument #2 to 'xpcall' (value expected)", 1) end
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
    return raw.loadstring(code, name)
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
    return raw.loadstring(code, name or "=(load)")
end

-- Names of values that have none: numbered as they are first shown.
local numbers = raw_setmetatable({}, { __mode = "k" })
local shown = 0
local function tostring(...)
    local value = ...
    if select("#", ...) == 0 then refuse("bad argument #1 to 'tostring' (value expected)", 1) end
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

-- What C makes of a number: its fraction is cut off, and so is what 32 bits do not hold; 0 of what 64 do not hold.
local function as_integer(number)
    if not (number >= -2 ^ 63 and number < 2 ^ 63) then return 0 end
    number = number < 0 and ceil(number) or floor(number)
    return (number + INTEGER_END) % (2 * INTEGER_END) - INTEGER_END
end

local function unpack(...)
    local t, first, last = ...
    local from = first == nil and 1 or raw_tonumber(first)
    if type(t) ~= "table" or not from then return raw.unpack(...) end
    local to = last == nil and #t or raw_tonumber(last)
    if not to then return raw.unpack(...) end
    from, to = as_integer(from), as_integer(to)
    if to - from >= UNPACKED_MAX then refuse("too many results to unpack", 1) end
    return raw.unpack(t, from, to)
end

local function insert(...)
    local t, position = ...
    if content_of[t] then error(READ_ONLY, 0) end
    if select("#", ...) == 3 and type(t) == "table" then
        local at = raw_tonumber(position)
        if at and #t - as_integer(at) > SHIFTED_MAX and as_integer(at) < 1 then
            refuse("bad argument #2 to 'insert' (position out of bounds)", 1)
        end
    end
    return raw.insert(...)
end

-- Patterns. Lua's own matcher goes one level deeper with each item of a pattern: one without measure would not end in
-- an error but with the stack. And it tries all ways to share the subject among the items that repeat, without asking:
-- what may take many steps is left to the server's matcher, which can be interrupted.
local STEPS_MAX = 1e9
local find, match, gmatch, gsub, sub = string.find, string.match, string.gmatch, string.gsub, string.sub

local function check_length(pattern, name)
    if type(pattern) == "string" and #pattern > host.pattern_bytes_max then
        refuse("malformed pattern (too long) in '" .. name .. "'", 2)
    end
end

local function may_take_long(s, pattern, start)
    if type(s) ~= "string" or type(pattern) ~= "string" then return false end
    if start ~= nil and not raw_tonumber(start) then return false end
    -- Nothing behind a NUL is part of it.
    pattern = match(pattern, "^[^%z]*")
    local _, repeats = gsub(pattern, "[*+?-]", "")
    local _, scans = gsub(pattern, "%%[b1-9]", "")
    return (#s + 1) ^ (repeats + scans + 1) * #pattern > STEPS_MAX
end

-- Where a search begins: places before the first count from the end.
local function first_place(s, start)
    local place = start == nil and 1 or as_integer(raw_tonumber(start))
    if place < 0 then place = place + #s + 1 end
    return place < 1 and 1 or place > #s and #s + 1 or place
end

-- What was captured, or all that matched.
local function captures(s, first, last, ...)
    if not first then return nil end
    if select("#", ...) == 0 then return sub(s, first, last) end
    return ...
end

function string.find(...)
    local s, pattern, start, plain = ...
    if not plain then check_length(pattern, "find") end
    if plain and type(s) == "string" and type(pattern) == "string" and #s * #pattern > STEPS_MAX then
        if start ~= nil and not raw_tonumber(start) then return find(...) end
        return host.search_plain(s, pattern, first_place(s, start))
    end
    if plain or not may_take_long(s, pattern, start) then return find(...) end
    return host.search(s, pattern, first_place(s, start), true)
end

function string.match(...)
    local s, pattern, start = ...
    check_length(pattern, "match")
    if not may_take_long(s, pattern, start) then return match(...) end
    return captures(s, host.search(s, pattern, first_place(s, start), true))
end

function string.gmatch(...)
    local s, pattern = ...
    check_length(pattern, "gmatch")
    if not may_take_long(s, pattern) then return gmatch(...) end
    local place = 1
    local function taken(first, last, ...)
        place = not first and #s + 2 or last < first and first + 1 or last + 1
        return captures(s, first, last, ...)
    end
    return function()
        if place > #s + 1 then return nil end
        return taken(host.search(s, pattern, place, false))
    end
end

-- A replacement's text: `%1` in it is a capture, `%0` all that matched.
local function filled_in(text, whole, ...)
    local count, captured = select("#", ...), { ... }
    return (gsub(text, "%%(.?)", function(letter)
        if letter == "" then return "\0" end
        local index = raw_tonumber(letter)
        if not index then return letter end
        if index == 0 or index == 1 and count == 0 then return whole end
        if index > count then error("invalid capture index") end
        return captured[index]
    end))
end

local function replaced(by, whole, ...)
    local kind, value = type(by), nil
    if kind == "function" then
        value = by(captures(whole, 1, #whole, ...))
    elseif kind == "table" then
        value = by[(captures(whole, 1, #whole, ...))]
    else
        value = filled_in(by, whole, ...)
    end
    if not value then return whole end
    if type(value) ~= "string" and type(value) ~= "number" then
        error("invalid replacement value (a " .. type(value) .. ")")
    end
    return value
end

local replacements = { string = true, number = true, table = true, ["function"] = true }

function string.gsub(...)
    local s, pattern, by, most = ...
    check_length(pattern, "gsub")
    if not replacements[type(by)] or not may_take_long(s, pattern, most) then return gsub(...) end
    most = most == nil and #s + 1 or as_integer(raw_tonumber(most))
    local parts, place, count, is_anchored = {}, 1, 0, byte(pattern, 1) == 94
    local function take(first, last, ...)
        if not first then return false end
        count = count + 1
        parts[#parts + 1] = sub(s, place, first - 1)
        parts[#parts + 1] = replaced(by, sub(s, first, last), ...)
        if last < first then
            parts[#parts + 1] = sub(s, first, first)
            last = first
        end
        place = last + 1
        return place <= #s + 1 and not is_anchored
    end
    while count < most and take(host.search(s, pattern, place, true)) do end
    parts[#parts + 1] = sub(s, place)
    return concat(parts), count
end

string.gfind = string.gmatch

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

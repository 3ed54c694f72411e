//! Scripts: generated commands called from Lua, values through Lua's libraries, functions, and what a sandbox
//! has to refuse.

use crate::chance::Chance;
use crate::connection::{Words, words_of};
use crate::family::{Family, may_block};
use crate::grammar;
use crate::server::Identity;

/// They pass a request on to the server.
const CALLS: &[&str] = &[
    "return redis.call(unpack(ARGV))",
    "return redis.call(unpack(ARGV))",
    "return redis.pcall(unpack(ARGV))",
    "redis.setresp(3) return redis.call(unpack(ARGV))",
    "local r = redis.pcall(unpack(ARGV)) if type(r) == 'table' and r.err then return 'failed: ' .. r.err end return r",
    "redis.call('INCR', 'counter') redis.pcall(unpack(ARGV)) return redis.call('GET', 'counter')",
];

/// With a value in JSON as ARGV[1].
const OVER_JSON: &[&str] = &[
    "return cjson.encode(cjson.decode(ARGV[1]))",
    "return cmsgpack.pack(cjson.decode(ARGV[1]))",
    "return cjson.encode(cmsgpack.unpack(cmsgpack.pack(cjson.decode(ARGV[1]))))",
    "return cjson.decode(ARGV[1])",
    "redis.setresp(3) return cjson.decode(ARGV[1])",
    "return tostring(cjson.decode(ARGV[1])) == 'x'",
    "cjson.decode_array_with_array_mt(true) local s = cjson.encode(cjson.decode(ARGV[1])) \
     cjson.decode_array_with_array_mt(false) return s",
];

/// With bytes as ARGV[1].
const OVER_BYTES: &[&str] = &[
    "return cjson.encode({cmsgpack.unpack(ARGV[1])})",
    "return {cmsgpack.unpack_one(ARGV[1])}",
    "return {cmsgpack.unpack_limit(ARGV[1], 2, 1)}",
    "return cjson.encode(ARGV[1])",
    "return cmsgpack.pack(ARGV[1], #ARGV[1])",
    "return {struct.unpack('<I4', ARGV[1])}",
    "return {struct.unpack('>hB', ARGV[1])}",
    "return {struct.unpack('s', ARGV[1])}",
    "return {struct.unpack('Bc0', ARGV[1])}",
    "return string.format('%.17g %.17g', struct.unpack('df', ARGV[1]))",
    "return redis.sha1hex(ARGV[1])",
    "return {string.byte(ARGV[1], 1, -1)}",
    "return ARGV[1]:upper():reverse()",
    "return string.format('%q', ARGV[1])",
    "return {ARGV[1]:find('[%z\\1-\\31]')}",
    "return {err = ARGV[1]}",
    "return {ok = ARGV[1]}",
    "return redis.error_reply(ARGV[1])",
    "return redis.status_reply(ARGV[1])",
    "return {verbatim_string = {format = 'txt', string = ARGV[1]}}",
    "return {big_number = ARGV[1]}",
];

/// With numbers as ARGV[1] and ARGV[2].
const OVER_NUMBERS: &[&str] = &[
    "return {bit.band(ARGV[1], ARGV[2]), bit.bor(ARGV[1], ARGV[2]), bit.bxor(ARGV[1], ARGV[2])}",
    "return {bit.bnot(ARGV[1]), bit.tobit(ARGV[1]), bit.bswap(ARGV[1])}",
    "return {bit.lshift(ARGV[1], ARGV[2]), bit.rshift(ARGV[1], ARGV[2]), bit.arshift(ARGV[1], ARGV[2])}",
    "return {bit.rol(ARGV[1], ARGV[2]), bit.ror(ARGV[1], ARGV[2])}",
    "return bit.tohex(ARGV[1], ARGV[2])",
    "return struct.pack('<i4', ARGV[1])",
    "return struct.pack('>I2bh', ARGV[1], ARGV[2], ARGV[1])",
    "return struct.pack('<i8', ARGV[1])",
    "return struct.pack('df', ARGV[1], ARGV[2])",
    "return cmsgpack.pack(tonumber(ARGV[1]), tonumber(ARGV[2]))",
    "return cjson.encode({tonumber(ARGV[1]), tonumber(ARGV[2])})",
    "return tostring(tonumber(ARGV[1]))",
    "return {tonumber(ARGV[1]), ARGV[1] + ARGV[2], ARGV[1] * ARGV[2]}",
    "return {double = tonumber(ARGV[1])}",
    "redis.setresp(3) return {double = ARGV[1] / ARGV[2]}",
    "return string.format('%d %5.2f %x %g', ARGV[1], ARGV[2], ARGV[2], ARGV[1])",
    "return string.rep('ab', math.max(-3, math.min(tonumber(ARGV[1]) or 0, 50)))",
    "return {math.floor(ARGV[1]), math.ceil(ARGV[2]), math.fmod(ARGV[1], ARGV[2])}",
    "math.randomseed(ARGV[1]) return {math.random(1, 1000000), math.random(10)}",
    "return redis.call('INCRBY', KEYS[1] or 's1', ARGV[1])",
    "return {unpack({1, 2, 3}, ARGV[1], ARGV[2])}",
    "return ('abcdefgh'):sub(ARGV[1], ARGV[2])",
    "return table.concat({1, 2, 3, 4}, ',', ARGV[1], ARGV[2])",
    "return {select(ARGV[1], 'a', 'b', 'c')}",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "7",
    "31",
    "32",
    "33",
    "255",
    "256",
    "-128",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "1e15",
    "1e16",
    "1e300",
    "-1e300",
    "0.5",
    "1.5",
    "2.5",
    "-0.5",
    "0x10",
    "1e-7",
    "nan",
    "inf",
    "x",
    "",
    " 3 ",
    "123456789012",
];

/// A library of functions, and what is done with it.
const FUNCTIONS: &[&str] = &[
    "FUNCTION\u{1}LOAD\u{1}REPLACE\u{1}#!lua name=lib\nredis.register_function('f', function(keys, args) return redis.call(unpack(args)) end)\nredis.register_function{function_name='ro', callback=function(keys, args) return redis.call(unpack(args)) end, flags={'no-writes'}}",
    "FUNCTION\u{1}LOAD\u{1}#!lua name=lib\nredis.register_function('f', function(keys, args) return #keys + #args end)",
    "FUNCTION\u{1}LOAD\u{1}REPLACE\u{1}#!lua name=other\nlocal n = 0 redis.register_function('count', function() n = n + 1 return n end)",
    "FUNCTION\u{1}LOAD\u{1}#!lua name=bad\nredis.call('GET', 'x')",
    "FCALL\u{1}count\u{1}0",
    "FCALL\u{1}f\u{1}1\u{1}s1\u{1}GET\u{1}s1",
    "FCALL\u{1}f\u{1}0\u{1}SET\u{1}s1\u{1}by function",
    "FCALL\u{1}ro\u{1}0\u{1}SET\u{1}s1\u{1}refused",
    "FCALL_RO\u{1}ro\u{1}1\u{1}s1\u{1}STRLEN\u{1}s1",
    "FCALL_RO\u{1}f\u{1}0\u{1}GET\u{1}s1",
    "FCALL\u{1}nosuch\u{1}0",
    "FCALL\u{1}f\u{1}x",
    "FUNCTION\u{1}LIST",
    "FUNCTION\u{1}LIST\u{1}LIBRARYNAME\u{1}l*\u{1}WITHCODE",
    "FUNCTION\u{1}DELETE\u{1}lib",
    "FUNCTION\u{1}FLUSH",
    "FUNCTION\u{1}KILL",
    "SCRIPT\u{1}LOAD\u{1}return 1",
    "SCRIPT\u{1}EXISTS\u{1}e0e1f9fabfc9d4800c877a703b823ac0578ff8db\u{1}x",
    "SCRIPT\u{1}FLUSH",
    "SCRIPT\u{1}KILL",
    "EVALSHA\u{1}e0e1f9fabfc9d4800c877a703b823ac0578ff8db\u{1}0",
    "EVALSHA_RO\u{1}E0E1F9FABFC9D4800C877A703B823AC0578FF8DB\u{1}0",
];

/// What would break out, or break down.
const HOSTILE: &[&str] = &[
    "return loadstring('\\27Lua')",
    "return pcall(loadstring, string.dump)",
    "return string.dump(function() end)",
    "getmetatable('').__index = function() return 1 end return ('x'):len()",
    "return rawset(_G, 'x', 1)",
    "_G.x = 1 return x",
    "x = 1",
    "setmetatable(_G, {}) return 1",
    "getmetatable(_G).__newindex = nil x = 1 return x",
    "return tostring(debug)",
    "return os.time()",
    "return os.execute('true')",
    "return type(os.clock())",
    "return io",
    "return package",
    "return require('os')",
    "return dofile('/etc/passwd')",
    "return loadfile('/etc/passwd')",
    "return print('x')",
    "return newproxy(true)",
    "return setfenv(1, {})",
    "return getfenv(0)",
    "return module('x')",
    "local function f() return f() + 1 end return f()",
    "local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end return f(10000)",
    "local s = string.rep('x', 5) return #s",
    "return coroutine.wrap(function() return redis.call('PING') end)()",
    "local c = coroutine.create(function() coroutine.yield(1) error('in it') end) return {coroutine.resume(c), coroutine.resume(c)}",
    "return coroutine.yield(1)",
    "return coroutine.running() == nil",
    "return type(collectgarbage('count'))",
    "return collectgarbage()",
    "redis.call = nil return 1",
    "redis.x = 1 return 1",
    "string.x = 1 return 1",
    "table.insert(redis, 1) return 1",
    "rawset(redis, 'x', 1) return 1",
    "cjson.encode = 1 return 1",
    "return pcall(error)",
    "return {pcall(error, {err = 'MINE it is'})}",
    "error({err = 'MINE it is'})",
    "error('text')",
    "error()",
    "error(nil)",
    "error(5)",
    "return xpcall(function() error('x') end, function(e) return 'handled: ' .. e end)",
    "return redis.call()",
    "return redis.call('nosuch')",
    "return redis.call('GET')",
    "return redis.call({})",
    "return redis.call('GET', {})",
    "return redis.call('EVAL', 'return 1', 0)",
    "return redis.call('MULTI')",
    "return redis.call('SUBSCRIBE', 'x')",
    "return redis.pcall('BLPOP', 'nosuch', 0)",
    "return KEYS",
    "return ARGV",
    "KEYS[1] = 'changed' return KEYS",
    "return _VERSION",
    "for i = 1, 100000 do end return 'counted'",
    "return unpack({}, 1, 1e7)",
    "return unpack({}, -2147483648, 2147483647)",
    "return {unpack({1, 2, 3}, 2, 4294967299)}",
    "return {unpack({1, 2, 3}, 0/0, 1/0)}",
    "return string.format('%99999d', 1)",
    "return ('x'):rep(-1)",
    "return select(-5, 1)",
    "return table.concat({{}})",
    "return table.concat({}, 'x', 1, 3)",
    "return string.char(256)",
    "return ('x'):find('[')",
    "return ('x'):find('%')",
    "return ('x'):gsub('.', '%9')",
    "return tostring(1e15) .. tostring(1e16) .. tostring(2^53) .. tostring(-0.0)",
    "return math.huge",
    "return #table.pack(1)",
    "goto x ::x:: return 1",
    "return 1 // 2",
    "return redis.acl_check_cmd('SET', 'k', 'v')",
    "return redis.breakpoint()",
    "return redis.debug('x')",
];

/// The request, called by a script.
pub fn calling(inner: Words, chance: &mut Chance) -> Words {
    let command = chance.pick(&["EVAL", "EVAL", "EVAL", "EVAL_RO"]);
    let mut words = words_of(command);
    words.extend([chance.pick(CALLS).as_bytes().to_vec(), b"0".to_vec()]);
    words.extend(inner);
    words
}

/// Something of the scripts' own family.
pub fn request(reference: &Identity, chance: &mut Chance) -> Words {
    let eval = |script: &str, arguments: Vec<Vec<u8>>| {
        let mut words = vec![b"EVAL".to_vec(), script.as_bytes().to_vec(), b"0".to_vec()];
        words.extend(arguments);
        words
    };
    match chance.below(12) {
        0..2 => {
            let rows = Family::by_name("everything").expect("it is one of the families").rows(reference);
            let row = rows[chance.below(rows.len())];
            match may_block(row) && reference.is_redis_before((7, 2)) {
                // Scripts may say so since.
                true => words_of("SCRIPT EXISTS x"),
                false => {
                    let inner = grammar::request(row, reference, chance);
                    calling(inner, chance)
                }
            }
        }
        2..5 => eval(chance.pick(OVER_JSON), vec![json(chance)]),
        5..7 => {
            let len = chance.below(24);
            let bytes = if chance.one_in(2) { chance.bytes(len) } else { crate::values::content(chance) };
            eval(chance.pick(OVER_BYTES), vec![bytes])
        }
        7..9 => {
            let number = |chance: &mut Chance| match chance.one_in(3) {
                true => chance.fraction(1e10).to_string().into_bytes(),
                false => chance.pick(NUMBERS).as_bytes().to_vec(),
            };
            let numbers = vec![number(chance), number(chance)];
            eval(chance.pick(OVER_NUMBERS), numbers)
        }
        9 => eval(chance.pick(HOSTILE), vec![b"a".to_vec()]),
        _ => chance.pick(FUNCTIONS).split('\u{1}').map(|word| word.as_bytes().to_vec()).collect(),
    }
}

/// A value in JSON; sometimes something is wrong with it.
fn json(chance: &mut Chance) -> Vec<u8> {
    let mut text = Vec::new();
    push_json(&mut text, 0, chance);
    if chance.one_in(8) && !text.is_empty() {
        let at = chance.below(text.len());
        match chance.below(3) {
            0 => drop(text.remove(at)),
            1 => text[at] = b"{}[],:\"\\0tnx\x01\xff"[chance.below(14)],
            _ => text.truncate(at),
        }
    }
    text
}

fn push_json(text: &mut Vec<u8>, depth: usize, chance: &mut Chance) {
    let kinds = if depth > 3 { 6 } else { 10 };
    match chance.below(kinds) {
        0 => text.extend_from_slice(chance.pick(&["null", "true", "false"]).as_bytes()),
        1 | 2 => {
            let number = chance.pick(&[
                "0",
                "1",
                "-7",
                "3.5",
                "1e3",
                "1E+2",
                "123456789012345678",
                "0.1",
                "-0",
                "1e400",
            ]);
            text.extend_from_slice(number.as_bytes());
        }
        3..6 => push_json_text(text, chance),
        6 | 7 => {
            text.push(b'[');
            for index in 0..chance.below(5) {
                if index > 0 {
                    text.extend_from_slice(b", ");
                }
                push_json(text, depth + 1, chance);
            }
            text.push(b']');
        }
        _ => {
            text.push(b'{');
            // One key as a rule: the order of several is Lua's own.
            for index in 0..chance.below(3) {
                if index > 0 {
                    text.push(b',');
                }
                push_json_text(text, chance);
                text.push(b':');
                push_json(text, depth + 1, chance);
            }
            text.push(b'}');
        }
    }
}

fn push_json_text(text: &mut Vec<u8>, chance: &mut Chance) {
    let inner = chance.pick(&[
        "",
        "a",
        "b",
        "key",
        "1",
        "x\\ny",
        "\\u00e9",
        "\\ud83d\\ude00",
        "/\\/",
        "\u{e9}",
        "\\\"",
        "\\u0000",
        "tab\\t",
        "\\u12",
        "\\ud800",
        "long long long long long long long text",
    ]);
    text.push(b'"');
    text.extend_from_slice(inner.as_bytes());
    text.push(b'"');
}

/// Whether a script shows tables, whose keys come in any order.
pub fn is_made_of_tables(words: &[Vec<u8>]) -> bool {
    matches!(words, [_, script, ..] if OVER_JSON.iter().any(|known| known.as_bytes() == script.as_slice()))
}

/// What a request is for at last: the command that a script of [`calling`] passes on, or itself.
pub fn inner(words: &[Vec<u8>]) -> &[Vec<u8>] {
    match words {
        [name, script, count, rest @ ..]
            if name.to_ascii_uppercase().starts_with(b"EVAL")
                && count == b"0"
                && CALLS.iter().any(|call| call.as_bytes() == script.as_slice())
                && !rest.is_empty() =>
        {
            rest
        }
        _ => words,
    }
}

//! The configuration: its parameters against the facts, its syntax against noise, and REWRITE against what
//! it has to keep.

use proptest::prelude::*;
use squall_commands::config::rewrite::rewrite;
use squall_commands::config::{Config, Parameter};

const FACTS: &str = include_str!("facts/config-redis-8.2.txt");
/// Parameters that Squall alone has.
const OWN: [(&str, &str); 6] = [
    ("replica-keep-dataset", "yes"),
    ("cluster-quick-failover", "yes"),
    ("cluster-full-gossip-nodes-max", "32"),
    ("metrics-port", "0"),
    ("metrics-bind", "127.0.0.1 -::1"),
    ("cluster-election-delay", "-1"),
];
/// Parameters that Valkey alone has, and those that it calls otherwise.
const VALKEYS: [(&str, &str); 7] = [
    ("import-mode", "no"),
    ("commandlog-execution-slower-than", "10000"),
    ("commandlog-slow-execution-max-len", "128"),
    ("commandlog-request-larger-than", "1048576"),
    ("commandlog-large-request-max-len", "128"),
    ("commandlog-reply-larger-than", "1048576"),
    ("commandlog-large-reply-max-len", "128"),
];

/// Reads no further files.
fn alone(path: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    Err(format!("can't open config file '{path}'"))
}

fn command_line(args: &[&str]) -> Result<Config, String> {
    let args: Vec<String> = args.iter().map(|arg| arg.to_string()).collect();
    Config::from_command_line(&args, &mut alone).map_err(|error| error.to_string())
}

#[test]
fn parameters_and_defaults_are_those_of_redis() {
    // The facts were taken from a server that was started with a port of its own and without save points.
    let config =
        command_line(&["--port", "17902", "--save", "", "--dir", "<path>"]).expect("a configuration");
    let mut facts: Vec<(&str, &str)> = FACTS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .collect();
    let mut ours: Vec<(&str, String)> = Vec::new();
    for parameter in Parameter::all() {
        for name in parameter.aliases.iter().copied().chain([parameter.name]) {
            ours.push((name, parameter.show(&config)));
        }
    }
    // Newer than the server that the facts are from.
    facts.push(("aof-load-corrupt-tail-max-size", "0"));
    // Valkey's.
    facts.push(("cluster-databases", "1"));
    facts.push(("cluster-slot-migration-log-max-len", "1000"));
    facts.push(("cluster-manual-failover-timeout", "5000"));
    facts.push(("cluster-blacklist-ttl", "60"));
    facts.extend(OWN);
    facts.extend(VALKEYS);
    facts.sort_unstable();
    ours.sort_unstable();
    let ours: Vec<(&str, &str)> = ours.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(ours, facts);
}

#[test]
fn without_arguments_the_server_saves_as_redis_does() {
    let save = Parameter::by_name(b"save").expect("a parameter");
    assert_eq!(save.show(&Config::default()), "3600 1 300 100 60 10000");
}

#[test]
fn lines_of_save_add_up_and_the_command_line_replaces_them() {
    let show = |config: &Config| Parameter::by_name(b"save").expect("a parameter").show(config);
    let two = Config::from_text("redis.conf", b"save 900 1\nsave 60 2\n").expect("a configuration");
    assert_eq!(show(&two), "900 1 60 2");
    let none = Config::from_text("redis.conf", b"save 900 1\nsave \"\"\n").expect("a configuration");
    assert_eq!(show(&none), "");
    let again = Config::from_text("redis.conf", b"save \"\"\nsave 5 1\n").expect("a configuration");
    assert_eq!(show(&again), "5 1");
    let mut read = |path: &str| Ok(vec![(path.to_string(), b"save 900 1\n".to_vec())]);
    let args = ["redis.conf", "--save", "60", "1", "--save", "10", "5"].map(String::from);
    let replaced = Config::from_command_line(&args, &mut read).expect("a configuration");
    assert_eq!(show(&replaced), "60 1 10 5");
}

#[test]
fn files_include_files_and_the_command_line_comes_last() {
    let mut read = |path: &str| match path {
        "redis.conf" => {
            Ok(vec![(path.to_string(), b"# a comment\nport 7000\n\ninclude conf.d/*.conf\nhz 20\n".to_vec())])
        }
        "conf.d/*.conf" => Ok(vec![
            ("conf.d/1.conf".to_string(), b"maxmemory 1gb\nport 7001\r\n".to_vec()),
            ("conf.d/2.conf".to_string(), b"requirepass \"two \\x41 words\"\nlogfile 'it''s'\n".to_vec()),
        ]),
        _ => Err(format!("can't open config file '{path}'")),
    };
    let args = ["redis.conf", "--appendonly", "yes", "--replicaof", "::1", "6380"].map(String::from);
    let error =
        Config::from_command_line(&args, &mut read).expect_err("the second quoted word touches the first");
    assert_eq!((error.file.as_str(), error.line_number), ("conf.d/2.conf", 2));

    let mut read = |path: &str| match path {
        "redis.conf" => Ok(vec![(path.to_string(), b"port 7000\ninclude more.conf\nhz 20".to_vec())]),
        "more.conf" => {
            Ok(vec![(path.to_string(), b"maxmemory 1gb\nrequirepass \"two \\x41 words\"\n".to_vec())])
        }
        _ => Err(format!("can't open config file '{path}'")),
    };
    let config = Config::from_command_line(&args, &mut read).expect("a configuration");
    assert_eq!((config.port, config.hz, config.maxmemory_bytes), (7000, 20, 1 << 30));
    assert_eq!(config.requirepass, "two A words");
    assert!(config.appendonly);
    assert_eq!(config.replicaof, Some(("::1".to_string(), 6380)));
    assert_eq!(config.config_file, "redis.conf");
}

#[test]
fn a_file_that_includes_itself_is_refused() {
    let mut read = |path: &str| Ok(vec![(path.to_string(), b"include me.conf\n".to_vec())]);
    let error = Config::from_command_line(&["me.conf".into()], &mut read).expect_err("it never ends");
    assert!(error.what.contains("nested"), "{error}");
}

#[test]
fn mistakes_are_told_with_their_place_and_a_suggestion() {
    let error = Config::from_text("redis.conf", b"port 1\nmaxmemroy 1gb\n").expect_err("a slip");
    assert_eq!((error.line_number, error.line.as_str()), (2, "maxmemroy 1gb"));
    assert_eq!(error.suggestion, Some("maxmemory"));
    assert!(error.to_string().ends_with("did you mean 'maxmemory'?"), "{error}");
    for (text, what) in [
        ("port 70000", "between 0 and 65535"),
        ("port", "wrong number of arguments"),
        ("port 1 2", "wrong number of arguments"),
        ("appendonly maybe", "'yes' or 'no'"),
        ("maxmemory-policy none", "must be one of the following"),
        ("appendfilename a/b", "can't be a path"),
        ("replicaof localhost", "wrong number of arguments"),
        ("loadmodule x.so", "modules"),
        ("requirepass \"half", "unbalanced quotes"),
        ("qqqqqqqqqqqqqqqq 1", "bad directive"),
    ] {
        let error = Config::from_text("redis.conf", text.as_bytes()).expect_err(text);
        assert!(error.what.contains(what), "{text}: {error}");
    }
    assert!(command_line(&["--port", "1", "--nonsense", "1"]).is_err());
    assert!(command_line(&["--port"]).is_err());
}

#[test]
fn rewrite_keeps_comments_and_order() {
    let before =
        "# my server\nport 7000\n\n# memory\nmaxmemory 100mb\nsave 900 1\nsave 60 5\ninclude other.conf\n";
    let mut config =
        Config::from_text("redis.conf", before.replace("include other.conf\n", "").as_bytes()).unwrap();
    config.hz = 50;
    config.maxmemory_bytes = 1 << 20;
    config.save.remove(0);
    config.requirepass = "a \"b\"".into();
    let after = String::from_utf8(rewrite(before.as_bytes(), &config)).unwrap();
    assert_eq!(
        after,
        "# my server\nport 7000\n\n# memory\nmaxmemory 1048576\nsave 60 5\ninclude other.conf\n\
         # Generated by CONFIG REWRITE\nrequirepass \"a \\\"b\\\"\"\nhz 50\n"
    );
    let again = String::from_utf8(rewrite(after.as_bytes(), &config)).unwrap();
    assert_eq!(again, after, "a second rewrite changes nothing");
}

#[test]
fn words_with_quotes_survive_a_rewrite() {
    let mut config = Config::default();
    for name in ["bind", "proc-title-template", "requirepass"] {
        let parameter = Parameter::by_name(name.as_bytes()).expect("a parameter");
        parameter.set_value(&mut config, b"a\"b #c' \\d").expect("any words");
    }
    let read = Config::from_text("redis.conf", &rewrite(b"", &config)).expect("what was written");
    assert_eq!(read, config);
}

/// A value that the parameter may take, or not.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("yes".to_string()),
        Just("no".to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        (0u32..2000).prop_map(|number| number.to_string()),
        (0u32..200).prop_map(|percent| format!("{percent}%")),
        (0u32..3000, "(k|kb|m|mb|g|gb|)").prop_map(|(number, unit)| format!("{number}{unit}")),
        "[ -~]{0,12}",
        "(60|900) [0-9]{1,4}",
        "(normal|replica|pubsub) [0-9]{1,3}mb [0-9]{1,3} [0-9]{1,2}",
        "[AKEg$lshzxetdmn]{0,6}",
        "(always|everysec|allkeys-lru|notice|systemd|swapdb)",
        "[a-z.]{1,8} [0-9]{1,5}",
        Just("0 200 800".to_string()),
        ".{0,8}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a configuration holds, the file that REWRITE makes of it holds the same.
    #[test]
    fn what_is_written_is_read_back(changes in prop::collection::vec((0..1000usize, any_value()), 1..12)) {
        let mut config = Config::default();
        for (index, value) in &changes {
            let parameter = &Parameter::all()[index % Parameter::all().len()];
            let _ = parameter.set_value(&mut config, value.as_bytes());
        }
        let text = rewrite(b"", &config);
        let read = Config::from_text("redis.conf", &text)
            .map_err(|error| TestCaseError::fail(format!("{error}\n{}", String::from_utf8_lossy(&text))))?;
        for parameter in Parameter::all() {
            prop_assert_eq!(parameter.show(&read), parameter.show(&config), "{}", parameter.name);
        }
    }

    /// Noise is refused or understood, and never breaks the parser.
    #[test]
    fn noise_is_survived(text in prop::collection::vec(any::<u8>(), 0..200), name in 0..1000usize) {
        let parameter = &Parameter::all()[name % Parameter::all().len()];
        let _ = Config::from_text("redis.conf", &text);
        let _ = Config::from_text("redis.conf", &[parameter.name.as_bytes(), b" ", &text].concat());
        let _ = rewrite(&text, &Config::default());
        let words: Vec<String> =
            String::from_utf8_lossy(&text).split(' ').map(|word| format!("--{word}")).collect();
        let _ = Config::from_command_line(&words, &mut alone);
    }

    /// CONFIG SET changes all that it is given, or nothing.
    #[test]
    fn all_or_nothing(changes in prop::collection::vec((0..1000usize, any_value()), 1..5)) {
        let mut config = Config::default();
        let pairs: Vec<(&[u8], &[u8])> = changes
            .iter()
            .map(|(index, value)| {
                let parameter = &Parameter::all()[index % Parameter::all().len()];
                (parameter.name.as_bytes(), value.as_bytes())
            })
            .collect();
        match config.set_all(&pairs, true) {
            Err(_) => prop_assert_eq!(&config, &Config::default()),
            Ok(changed) => {
                let differing =
                    Parameter::all().iter().filter(|parameter| !parameter.is_default(&config)).count();
                prop_assert_eq!(changed.len(), differing);
            }
        }
    }
}

#[test]
fn commands_are_renamed_by_lines_that_make_sense() {
    let renamed = command_line(&["--rename-command", "CONFIG", "secret", "--rename-command", "flushall", ""]);
    let expected =
        [("config", "secret"), ("flushall", "")].map(|(from, to)| (from.to_owned(), to.to_owned()));
    assert_eq!(renamed.expect("a configuration").renamed_commands, expected);
    for (from, to, complaint) in [
        ("nosuch", "other", "No such command in rename-command"),
        ("get", "set", "Target command name already exists"),
    ] {
        let refused = command_line(&["--rename-command", from, to]).expect_err("it makes no sense");
        assert!(refused.contains(complaint), "{refused}");
    }
    // What has gone may be another's name.
    let swapped = command_line(&["--rename-command", "get", "old", "--rename-command", "set", "get"]);
    assert_eq!(swapped.expect("a configuration").renamed_commands.len(), 2);
}

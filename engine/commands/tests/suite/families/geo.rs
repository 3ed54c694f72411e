//! Places.

use proptest::prelude::*;

use super::choose;

pub const GRAMMAR: &[&str] = &[
    "GEOADD k x y m",
    "GEOADD k x y m x y m x y m x y m x y m x y m",
    "GEOADD k o x y m x y m",
    "GEOADD k o o x y m",
    "GEOPOS k m m",
    "GEOHASH k m m",
    "GEODIST k m m",
    "GEODIST k m m u",
    "GEOSEARCH k FROMMEMBER m BYRADIUS r u | ASC | WITHDIST | WITHCOORD | WITHHASH",
    "GEOSEARCH k FROMLONLAT x y BYRADIUS r u | DESC | WITHDIST | COUNT n | COUNT n ASC",
    "GEOSEARCH k FROMLONLAT x y BYBOX r r u | DESC | WITHDIST | WITHCOORD | COUNT n",
    "GEOSEARCH k BYBOX r r u FROMMEMBER m | DESC | FROMMEMBER m | BYRADIUS r u | FROMLONLAT x y",
    "GEOSEARCH k BYRADIUS r u ASC DESC | ANY | COUNT n | FROMMEMBER m",
    "GEOSEARCHSTORE k k FROMLONLAT x y BYRADIUS r u | ASC | WITHDIST",
    "GEOSEARCHSTORE k k FROMMEMBER m BYBOX r r u | DESC",
    "GEORADIUS k x y r u | WITHDIST | WITHCOORD | WITHHASH | ASC | COUNT n",
    "GEORADIUS k x y r u | STORE k | ASC | WITHDIST",
    "GEORADIUS_RO k x y r u | WITHDIST | STORE k | ASC",
    "GEORADIUSBYMEMBER k m r u | WITHDIST | WITHCOORD | WITHHASH | ASC | COUNT n",
    "GEORADIUSBYMEMBER k m r u STORE k | DESC",
    "GEORADIUSBYMEMBER_RO k m r u | COUNT n",
    "ZREM k m m",
];

pub fn word(kind: &'static str) -> Option<BoxedStrategy<Vec<u8>>> {
    let number = |number: f64| number.to_string().into_bytes();
    Some(match kind {
        "k" => choose(&["a", "b", "c"]),
        "m" => (0..30u32).prop_map(|number| format!("m{number}").into_bytes()).boxed(),
        "x" => prop_oneof![
            30 => (12.0..16.0f64).prop_map(number),
            10 => (-170.0..170.0f64).prop_map(number),
            1 => choose(&["181", "x", "-180.1", "inf"]),
        ]
        .boxed(),
        "y" => prop_oneof![
            30 => (36.0..39.0f64).prop_map(number),
            10 => (-60.0..60.0f64).prop_map(number),
            1 => choose(&["86", "x", "-85.06", "nan"]),
        ]
        .boxed(),
        "r" => prop_oneof![
            8 => (0.0..400.0f64).prop_map(number),
            2 => (0.0..400_000.0f64).prop_map(number),
            1 => choose(&["0", "-1", "x", "nan"]),
        ]
        .boxed(),
        "u" => choose(&["km", "km", "km", "KM", "m", "mi", "ft", "x"]),
        "o" => choose(&["NX", "XX", "CH", "INCR"]),
        "n" => choose(&["1", "2", "3", "5", "100", "0", "-1", "x"]),
        _ => return None,
    })
}

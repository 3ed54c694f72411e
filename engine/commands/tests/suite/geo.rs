//! Places where the installed redis-server is no oracle: how coordinates are written, what is propagated where another
//! server may choose other members, and what lies across the date line.

use crate::world::World;

const SICILY: &str = "GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania";

#[test]
fn coordinates_have_as_few_digits_as_redis_8_writes() {
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, SICILY);
    assert_eq!(
        world.ask(client, "GEOPOS g Palermo"),
        "*1\r\n*2\r\n$18\r\n13.361389338970184\r\n$16\r\n38.1155563954963\r\n"
    );
}

#[test]
fn what_a_count_has_chosen_is_propagated_as_it_is() {
    let mut world = World::start();
    world.engine.propagation.enabled = true;
    let client = world.connect();
    world.ask(client, SICILY);
    world.ask(client, "GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 500 km COUNT 1 ANY");
    assert_eq!(
        world.propagated(),
        "SELECT 0\nZADD g 3479099956230698 Palermo 3479447370796909 Catania\nMULTI\nDEL d\n\
         ZADD d 3479099956230698.0 Palermo\nEXEC"
    );
}

#[test]
fn the_date_line_and_the_poles_are_no_borders() {
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, "GEOADD g 179.999 10 east -179.999 10 west 180 85.05112878 corner 0 85 north");
    assert_eq!(
        world.ask(client, "GEOSEARCH g FROMMEMBER east BYRADIUS 1 km ASC"),
        "*2\r\n$4\r\neast\r\n$4\r\nwest\r\n"
    );
    assert_eq!(
        world.ask(client, "GEOSEARCH g FROMMEMBER corner BYRADIUS 1200 km ASC"),
        "*2\r\n$6\r\ncorner\r\n$5\r\nnorth\r\n"
    );
}

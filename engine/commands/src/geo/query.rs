//! The words of a search: GEOSEARCH's, where they come in any order, and GEORADIUS's, which begin with a place, a
//! radius and a unit.

use squall_resp::Args;
use squall_store::{ZSet, parse_i64};

use super::area::{Area, Shape};
use super::place::Place;
use super::{Unit, place_at};
use crate::CommandError;
use crate::float::parse_float;

/// What a search asks for.
pub(super) struct Query<'a> {
    /// None where the centre is a member of a set that is not there.
    pub area: Option<Area>,
    pub unit: Unit,
    pub with: With,
    pub order: Option<Order>,
    /// How many places are enough; zero: all.
    pub count: usize,
    /// Any places will do, not just the nearest.
    pub any: bool,
    /// Where the result is stored.
    pub target: Option<&'a [u8]>,
    pub stores_distance: bool,
}

/// What is told of each place beside its name.
#[derive(Clone, Copy, Default)]
pub(super) struct With {
    pub place: bool,
    pub distance: bool,
    pub hash: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    NearestFirst,
    FarthestFirst,
}

/// Which command it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// GEORADIUS, by place or by member; and whether it may store.
    Radius {
        by_member: bool,
        may_store: bool,
    },
    Search,
    SearchStore,
}

impl<'a> Query<'a> {
    /// Reads `args`, in which the source's key is the first word; `zset` is what it holds. The command is called
    /// `name` in errors, as the client called it.
    pub fn parse(
        name: &[u8],
        args: Args<'a>,
        form: Form,
        zset: Option<&ZSet>,
    ) -> Result<Query<'a>, CommandError> {
        let mut query = Query {
            area: None,
            unit: Unit(1.0),
            with: With::default(),
            order: None,
            count: 0,
            any: false,
            target: None,
            stores_distance: false,
        };
        let mut outline = Outline::default();
        let mut index = match form {
            Form::Radius { by_member, .. } => query.take_circle(&mut outline, args, by_member, zset)?,
            Form::Search | Form::SearchStore => 1,
        };
        while index < args.len() {
            index += 1 + query.take(&mut outline, args, index, form, zset)?.ok_or(CommandError::Syntax)?;
        }
        let stores = query.target.is_some() || form == Form::SearchStore;
        query.check(stores, form)?;
        query.area = outline.area(name)?;
        if query.any && query.count == 0 {
            return Err(CommandError::line("ERR the ANY argument requires COUNT argument"));
        }
        // The nearest are meant, unless any will do.
        if query.count > 0 && !query.any {
            query.order = query.order.or(Some(Order::NearestFirst));
        }
        Ok(query)
    }

    /// Takes GEORADIUS's place or member, radius and unit; the index of what follows.
    fn take_circle(
        &mut self,
        outline: &mut Outline,
        args: Args<'_>,
        by_member: bool,
        zset: Option<&ZSet>,
    ) -> Result<usize, CommandError> {
        let index = match by_member {
            true => {
                outline.from_member = Some(place_of(zset, args.at(1))?);
                2
            }
            false => {
                outline.from_place = Some(place_at(args, 1)?);
                3
            }
        };
        // Around a member of nothing, any radius will do.
        outline.circle = match outline.from_member {
            Some(None) => Some(Shape::Circle { radius_m: 0.0 }),
            _ => Some(self.circle(args, index)?),
        };
        Ok(index + 2)
    }

    /// Takes the option at `index`, and returns how many operands it has; `None` where it has no place there.
    fn take(
        &mut self,
        outline: &mut Outline,
        args: Args<'a>,
        index: usize,
        form: Form,
        zset: Option<&ZSet>,
    ) -> Result<Option<usize>, CommandError> {
        let left = args.len() - index - 1;
        let is = |name: &str, operands: usize| {
            args.at(index).eq_ignore_ascii_case(name.as_bytes()) && left >= operands
        };
        let searches = matches!(form, Form::Search | Form::SearchStore);
        let may_store = matches!(form, Form::Radius { may_store: true, .. });
        let operands = if self.take_simple(args.at(index)) {
            0
        } else if is("COUNT", 1) {
            self.count = parse_count(args.at(index + 1))?;
            1
        } else if may_store && (is("STORE", 1) || is("STOREDIST", 1)) {
            self.stores_distance = is("STOREDIST", 1);
            self.target = Some(args.at(index + 1));
            1
        } else if form == Form::SearchStore && is("STOREDIST", 0) {
            self.stores_distance = true;
            0
        } else if searches && outline.is_empty() && is("BYPOLYGON", 1) {
            let corners = corners(args, index + 1)?;
            let words = 1 + 2 * corners.len();
            outline.polygon = Some(corners);
            words
        } else if outline.polygon.is_some() {
            return Ok(None);
        } else if searches && outline.from_place.is_none() && is("FROMMEMBER", 1) {
            outline.from_member = Some(place_of(zset, args.at(index + 1))?);
            1
        } else if searches && outline.from_member.is_none() && is("FROMLONLAT", 2) {
            outline.from_place = Some(place_at(args, index + 1)?);
            2
        } else if searches && outline.rectangle.is_none() && is("BYRADIUS", 2) {
            outline.circle = Some(self.circle(args, index + 1)?);
            2
        } else if searches && outline.circle.is_none() && is("BYBOX", 3) {
            outline.rectangle = Some(self.rectangle(args, index + 1)?);
            3
        } else {
            return Ok(None);
        };
        Ok(Some(operands))
    }

    /// Takes a word that stands for itself; false where it is another.
    fn take_simple(&mut self, word: &[u8]) -> bool {
        match word.to_ascii_uppercase().as_slice() {
            b"WITHDIST" => self.with.distance = true,
            b"WITHHASH" => self.with.hash = true,
            b"WITHCOORD" => self.with.place = true,
            b"ANY" => self.any = true,
            b"ASC" => self.order = Some(Order::NearestFirst),
            b"DESC" => self.order = Some(Order::FarthestFirst),
            _ => return false,
        }
        true
    }

    fn check(&self, stores: bool, form: Form) -> Result<(), CommandError> {
        if !stores || !(self.with.place || self.with.distance || self.with.hash) {
            return Ok(());
        }
        let what = match form {
            Form::SearchStore => "GEOSEARCHSTORE",
            _ => "STORE option in GEORADIUS",
        };
        let line = format!("ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
        Err(CommandError::line(line))
    }

    fn circle(&mut self, args: Args<'_>, index: usize) -> Result<Shape, CommandError> {
        let radius = length(args.at(index), "radius")?;
        if radius < 0.0 {
            return Err(CommandError::line("ERR radius cannot be negative"));
        }
        self.unit = Unit::parse(args.at(index + 1))?;
        Ok(Shape::Circle { radius_m: radius * self.unit.0 })
    }

    fn rectangle(&mut self, args: Args<'_>, index: usize) -> Result<Shape, CommandError> {
        let (width, height) = (length(args.at(index), "width")?, length(args.at(index + 1), "height")?);
        if width < 0.0 || height < 0.0 {
            return Err(CommandError::line("ERR height or width cannot be negative"));
        }
        self.unit = Unit::parse(args.at(index + 2))?;
        Ok(Shape::Box { width_m: width * self.unit.0, height_m: height * self.unit.0 })
    }
}

/// What has been said of the area so far.
#[derive(Default)]
struct Outline {
    /// Where the member is; `None` inside where there is no set at all.
    from_member: Option<Option<Place>>,
    from_place: Option<Place>,
    circle: Option<Shape>,
    rectangle: Option<Shape>,
    /// Says it all alone.
    polygon: Option<Vec<Place>>,
}

impl Outline {
    fn is_empty(&self) -> bool {
        self.from_member.is_none()
            && self.from_place.is_none()
            && self.circle.is_none()
            && self.rectangle.is_none()
            && self.polygon.is_none()
    }

    /// The area, all of which must have been said.
    fn area(self, name: &[u8]) -> Result<Option<Area>, CommandError> {
        if let Some(corners) = self.polygon {
            return Ok(Some(Area::polygon(corners)));
        }
        let name = String::from_utf8_lossy(name);
        let centre = self.from_member.or(self.from_place.map(Some)).ok_or_else(|| {
            let line = format!("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}");
            CommandError::line(line)
        })?;
        let shape = self.circle.or(self.rectangle).ok_or_else(|| {
            CommandError::line(format!("ERR exactly one of BYRADIUS and BYBOX can be specified for {name}"))
        })?;
        Ok(centre.map(|centre| Area { centre, shape }))
    }
}

/// `count longitude latitude [longitude latitude ...]`
fn corners(args: Args<'_>, index: usize) -> Result<Vec<Place>, CommandError> {
    const CORNERS_MIN: usize = 3;
    let count = parse_i64(args.at(index)).filter(|count| i32::try_from(*count).is_ok());
    let count = count.ok_or(CommandError::line("ERR invalid number of vertices"))?;
    let words = args.len() - index - 1;
    let count = usize::try_from(count).ok().filter(|count| (CORNERS_MIN..=words / 2).contains(count));
    let count = count.ok_or(CommandError::line("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"))?;
    (0..count).map(|corner| place_at(args, index + 1 + 2 * corner)).collect()
}

fn length(text: &[u8], name: &str) -> Result<f64, CommandError> {
    parse_float(text).ok_or_else(|| CommandError::line(format!("ERR need numeric {name}")))
}

fn parse_count(text: &[u8]) -> Result<usize, CommandError> {
    let count = parse_i64(text).ok_or(CommandError::NotAnInteger)?;
    let count = usize::try_from(count).ok().filter(|count| *count > 0);
    count.ok_or(CommandError::line("ERR COUNT must be > 0"))
}

/// Where a member is; `None` where there is no set at all, which is no mistake.
fn place_of(zset: Option<&ZSet>, member: &[u8]) -> Result<Option<Place>, CommandError> {
    let Some(zset) = zset else { return Ok(None) };
    match zset.score(member) {
        Some(score) => Ok(Some(Place::of_score(score))),
        None => Err(CommandError::line("ERR could not decode requested zset member")),
    }
}

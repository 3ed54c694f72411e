//! Reads a scenario and refuses what cannot be: a typo, a machine that does not exist, an impossible time or rate.
//! Every refusal names file and line, and suggests the nearest name where there is one.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use squall_server::{Config, Mark};
use squall_sim::is_part;
use toml::Spanned;

use crate::cast::Part;
use crate::file::{NodeSpec, Order, Scenario, Zone};
use crate::measures::{MEASURES, Measure};

/// Why a scenario is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScenarioError {
    pub file: String,
    /// Counted from 1; 0 where the whole file is meant.
    pub line: usize,
    pub message: String,
    pub suggestion: Option<String>,
}

/// What every node has unless the scenario says otherwise: reachable for all machines, and no snapshots of its own.
const BASE_CONFIG: &str = "bind *\nprotected-mode no\nenable-debug-command yes\nsave \"\"\n";
/// A fault or an order at the very end could have no effect; a longer run is a typo.
const CHAOS_SECONDS_MAX: u64 = 24 * 3600;
const CLIENTS_MAX: u32 = 10_000;
const CLUSTER_NODES_MAX: u32 = 200;

impl Scenario {
    /// Reads the text of `file` (a name for messages) and checks that it can be played.
    pub fn read(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
        let mut scenario: Scenario =
            toml::from_str(text).map_err(|error| ScenarioError::of_toml(file, text, &error))?;
        scenario.make_cluster();
        Checker { file, text, scenario: &scenario }.check()?;
        Ok(scenario)
    }

    /// The names of all machines: nodes, clients, the operator's and the observer's.
    pub fn machines(&self) -> Vec<String> {
        let nodes = self.nodes.iter().map(|node| node.get_ref().name.clone());
        let clients = self.clients.iter().flat_map(|group| group.get_ref().machines());
        nodes.chain(clients).chain(["operator", "observer"].map(str::to_owned)).collect()
    }

    /// redis.conf of a node.
    pub fn config_text(&self, node: &NodeSpec) -> String {
        let mut text = BASE_CONFIG.to_owned();
        for (name, setting) in self.server.iter().chain(&node.config) {
            for line in setting.lines(name) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        if node.is_made {
            text.push_str("cluster-enabled yes\n");
        }
        if let Some(primary) = &node.replica_of {
            text.push_str(&format!("replicaof {primary} 6379\n"));
        }
        text
    }
}

struct Checker<'a> {
    file: &'a str,
    text: &'a str,
    scenario: &'a Scenario,
}

impl Checker<'_> {
    fn check(&self) -> Result<(), ScenarioError> {
        self.check_cluster()?;
        self.check_nodes()?;
        self.check_zones()?;
        self.check_clients()?;
        self.check_times()?;
        self.check_faults()?;
        self.check_operator()?;
        self.check_expectations()
    }

    fn check_cluster(&self) -> Result<(), ScenarioError> {
        let Some(spec) = self.scenario.cluster else { return Ok(()) };
        let nodes = u32::from(spec.primaries) * (u32::from(spec.replicas) + 1) + u32::from(spec.spares);
        if spec.primaries == 0 || nodes > CLUSTER_NODES_MAX {
            let message = format!(
                "a cluster has a primary at least, and {CLUSTER_NODES_MAX} nodes at most; not {nodes}"
            );
            return Err(self.refuse(self.place_of("[cluster]"), message, None));
        }
        Ok(())
    }

    fn check_nodes(&self) -> Result<(), ScenarioError> {
        let names = self.scenario.machines();
        if self.scenario.nodes.is_empty() {
            return Err(self.refuse(0..0, "a scenario needs at least one [[node]]".to_owned(), None));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
            let message = format!("two machines are called `{twice}`");
            return Err(self.refuse(self.place_of(twice), message, None));
        }
        for node in &self.scenario.nodes {
            let spec = node.get_ref();
            if let Some(primary) = &spec.replica_of {
                self.check_node_name(node.span(), primary)?;
            }
            self.check_config(node.span(), spec)?;
        }
        self.scenario.links.check().map_err(|message| self.refuse_field(self.place_of("links"), message))
    }

    fn check_zones(&self) -> Result<(), ScenarioError> {
        let machines = self.scenario.machines();
        let zones: Vec<String> = self.scenario.zones.iter().map(|zone| zone.get_ref().name.clone()).collect();
        let mut seen = BTreeSet::new();
        for zone in &self.scenario.zones {
            let Zone { name, machines: members } = zone.get_ref();
            if machines.contains(name) || !seen.insert(name) {
                let message = format!("`{name}` is the name of something else already");
                return Err(self.refuse(self.within(zone.span(), name), message, None));
            }
            for member in members {
                self.check_name(zone.span(), member, &machines, "machine")?;
                let homes =
                    self.scenario.zones.iter().filter(|zone| zone.get_ref().machines.contains(member));
                if homes.count() > 1 {
                    let message = format!("`{member}` stands in two zones");
                    return Err(self.refuse(self.within(zone.span(), member), message, None));
                }
            }
        }
        for route in &self.scenario.routes {
            for name in &route.get_ref().between {
                self.check_name(route.span(), name, &zones, "zone")?;
            }
            let mut settings = self.scenario.links.clone();
            settings.change(&route.get_ref().link);
            settings.check().map_err(|message| self.refuse_field(route.span(), message))?;
        }
        Ok(())
    }

    fn check_config(&self, place: Range<usize>, spec: &NodeSpec) -> Result<(), ScenarioError> {
        let config = Config::from_text(&spec.name, self.scenario.config_text(spec).as_bytes());
        let Err(error) = config else { return Ok(()) };
        let directive = error.line.split(' ').next().unwrap_or_default();
        let named = self.key_place(0..self.text.len(), directive);
        let place = if named.start == 0 { place } else { named };
        let message =
            format!("the configuration of `{}` is refused: `{}`: {}", spec.name, error.line, error.what);
        Err(self.refuse(place, message, error.suggestion.map(str::to_owned)))
    }

    fn check_clients(&self) -> Result<(), ScenarioError> {
        for group in &self.scenario.clients {
            let work = &group.get_ref().work;
            work.check().map_err(|message| self.refuse_field(group.span(), message))?;
            if work.write_to.is_empty() {
                return Err(self.refuse(group.span(), "write_to names no node".to_owned(), None));
            }
            if !(1..=CLIENTS_MAX).contains(&group.get_ref().count) {
                let message =
                    format!("count is {}; a group has 1 to {CLIENTS_MAX} clients", group.get_ref().count);
                return Err(self.refuse_field(group.span(), message));
            }
            for node in work.write_to.iter().chain(&work.read_from) {
                self.check_node_name(group.span(), node)?;
            }
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), ScenarioError> {
        let lasting = self.scenario.chaos.lasting.0;
        if lasting.0 == 0 || lasting.as_secs() > CHAOS_SECONDS_MAX {
            let message = format!("chaos lasts {}; it may last up to a day", self.scenario.chaos.lasting);
            return Err(self.refuse(self.place_of("lasting"), message, None));
        }
        let observe = &self.scenario.observe;
        if observe.every.0.0 == 0 || observe.digest_every.0.0 == 0 || observe.lag_step.0.0 == 0 {
            let message = "[observe] needs times above zero".to_owned();
            return Err(self.refuse(self.place_of("observe"), message, None));
        }
        match &observe.lag_of {
            Some(node) => self.check_node_name(self.place_of(node), node),
            None => Ok(()),
        }
    }

    fn check_faults(&self) -> Result<(), ScenarioError> {
        let zones = self.scenario.zones.iter().map(|zone| zone.get_ref().name.clone());
        let machines: Vec<String> = self.scenario.machines().into_iter().chain(zones).collect();
        if let Some(drawn) = &self.scenario.drawn {
            for name in &drawn.nodes {
                self.check_name(self.place_of("[drawn]"), name, &machines, "machine")?;
            }
            if drawn.nodes.len() < 2 {
                let message = "faults are drawn for at least two machines".to_owned();
                return Err(self.refuse(self.place_of("[drawn]"), message, None));
            }
        }
        for step in &self.scenario.faults {
            let (left, right) = step.get_ref().fault.names();
            for name in left.into_iter().chain(right).filter(|name| *name != "*") {
                match is_part(name) {
                    true => self.check_part(step.span(), name)?,
                    false => self.check_name(step.span(), name, &machines, "machine")?,
                }
            }
            let (fault, place) = (&step.get_ref().fault, step.span());
            fault.check_shape().map_err(|message| self.refuse_field(place, message))?;
            if step.get_ref().at > self.scenario.chaos.lasting {
                let message = format!(
                    "a fault at {} never happens: chaos lasts {}",
                    step.get_ref().at,
                    self.scenario.chaos.lasting
                );
                return Err(self.refuse(self.key_place(step.span(), "at"), message, None));
            }
        }
        Ok(())
    }

    fn check_operator(&self) -> Result<(), ScenarioError> {
        for name in &self.scenario.repair.without {
            self.check_node_name(self.place_of("without"), name)?;
        }
        let end = self.scenario.chaos.lasting.0 + self.scenario.repair.within.0;
        for step in &self.scenario.operator {
            for node in step.get_ref().order.nodes() {
                self.check_node_name(step.span(), node)?;
            }
            if step.get_ref().at.0 > end {
                let message = format!("an order at {} comes after the end of the run", step.get_ref().at);
                return Err(self.refuse(self.key_place(step.span(), "at"), message, None));
            }
            if let Order::Restart { node, config } = &step.get_ref().order {
                let mut specs = self.scenario.nodes.iter().map(Spanned::get_ref);
                let spec = specs
                    .find(|spec| spec.name == *node || is_part(node))
                    .expect("its name has been checked");
                self.check_config(step.span(), &spec.with(config))?;
            }
        }
        Ok(())
    }

    fn check_expectations(&self) -> Result<(), ScenarioError> {
        let marks: Vec<String> = Mark::ALL.iter().map(|mark| mark.name().to_owned()).collect();
        for mark in &self.scenario.reaches {
            self.check_name(self.place_of("reaches"), mark, &marks, "mark")?;
        }
        let known: Vec<String> = MEASURES.iter().map(|measure: &Measure| measure.name.to_owned()).collect();
        for expectation in &self.scenario.expectations {
            let expected = expectation.get_ref();
            self.check_name(expectation.span(), &expected.measure, &known, "measure")?;
            if expected.at_least.is_none() && expected.at_most.is_none() {
                let message = "an expectation needs at_least or at_most".to_owned();
                return Err(self.refuse(expectation.span(), message, None));
            }
            for bound in [&expected.at_least, &expected.at_most].into_iter().flatten() {
                bound.amount().map_err(|message| self.refuse(expectation.span(), message, None))?;
            }
        }
        Ok(())
    }

    fn check_node_name(&self, place: Range<usize>, name: &str) -> Result<(), ScenarioError> {
        if is_part(name) {
            return self.check_part(place, name);
        }
        let nodes: Vec<String> = self.scenario.nodes.iter().map(node_name).collect();
        self.check_name(place, name, &nodes, "node")
    }

    /// Parts are written as `primary of shard 2`.
    fn check_part(&self, place: Range<usize>, name: &str) -> Result<(), ScenarioError> {
        let shards = self.scenario.cluster.map_or(0, |spec| spec.primaries);
        match Part::parse(name) {
            Some(part) if (1..=shards).contains(&part.shard) => Ok(()),
            Some(part) => {
                let message = format!("there is no shard {} among {shards}", part.shard);
                Err(self.refuse(self.within(place, name), message, None))
            }
            None => {
                let message = format!("`{name}` is no part that a node plays");
                let known =
                    ["primary of shard 1", "replica of shard 1", "replicas of shard 1", "nodes of shard 1"];
                Err(self.refuse(self.within(place, name), message, nearest(name, known.into_iter())))
            }
        }
    }

    fn check_name(
        &self,
        place: Range<usize>,
        name: &str,
        known: &[String],
        what: &str,
    ) -> Result<(), ScenarioError> {
        if known.iter().any(|other| other == name) {
            return Ok(());
        }
        let place = self.within(place, name);
        let known = known.iter().map(String::as_str);
        Err(self.refuse(place, format!("there is no {what} called `{name}`"), nearest(name, known)))
    }

    fn refuse(&self, place: Range<usize>, message: String, suggestion: Option<String>) -> ScenarioError {
        let line = if place.end == 0 { 0 } else { line_of(self.text, place.start) };
        ScenarioError { file: self.file.to_owned(), line, message, suggestion }
    }

    /// Refuses what a message begins to speak of: the field of that name, where the table has one.
    fn refuse_field(&self, table: Range<usize>, message: String) -> ScenarioError {
        let field = message.split([' ', ';']).next().unwrap_or_default();
        self.refuse(self.key_place(table, field), message, None)
    }

    /// Where a field of a table, or of a table in it, is set; the table itself, where it is not.
    fn key_place(&self, table: Range<usize>, field: &str) -> Range<usize> {
        let Some(text) = self.text.get(table.start..).filter(|_| !field.is_empty()) else { return table };
        let mut begin = table.start;
        for (number, line) in text.split_inclusive('\n').enumerate() {
            let is_header = line.starts_with('[') && (line.starts_with("[[") || !line.contains('.'));
            if number > 0 && is_header && table.end < self.text.len() {
                break;
            }
            let is_set = |(at, _): &(usize, &str)| {
                let before = line[..*at].chars().next_back();
                let is_word =
                    before.is_some_and(|before| before.is_alphanumeric() || matches!(before, '_' | '-'));
                !is_word && line[at + field.len()..].trim_start().starts_with('=')
            };
            if let Some((at, _)) = line.match_indices(field).find(is_set) {
                return begin + at..begin + at + field.len();
            }
            begin += line.len();
        }
        table
    }

    /// Where `word` stands within a table, or the table itself.
    fn within(&self, place: Range<usize>, word: &str) -> Range<usize> {
        let quoted = format!("\"{word}\"");
        match self.text.get(place.start..).and_then(|text| text.find(&quoted)) {
            Some(offset) => place.start + offset..place.start + offset + quoted.len(),
            None => place,
        }
    }

    /// Where a word stands in the file; good enough to point at what has no place of its own.
    fn place_of(&self, word: &str) -> Range<usize> {
        self.text.find(word).map_or(0..0, |start| start..start + word.len())
    }
}

impl ScenarioError {
    fn of_toml(file: &str, text: &str, error: &toml::de::Error) -> ScenarioError {
        let message = error.message().to_owned();
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        // serde says: unknown field `x`, expected one of `a`, `b`
        let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let suggestion = match quoted.split_first() {
            Some((wrong, known)) if message.starts_with("unknown") => nearest(wrong, known.iter().copied()),
            _ => None,
        };
        // A table is pointed at by its first line; the wrong word is somewhere below it.
        let line = match (quoted.first(), error.span()) {
            (Some(wrong), Some(span)) if message.starts_with("unknown") => {
                let below = text.get(span.start..).and_then(|text| text.find(wrong));
                below.map_or(line, |offset| line_of(text, span.start + offset))
            }
            _ => line,
        };
        ScenarioError { file: file.to_owned(), line, message, suggestion }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message)?,
            line => write!(f, "{}:{line}: {}", self.file, self.message)?,
        }
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ScenarioError {}

/// The known name that `wrong` was most likely meant to be.
pub(crate) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let distances = known.map(|name| (strsim::damerau_levenshtein(wrong, name), name));
    let (distance, name) = distances.min()?;
    (distance <= 1 + wrong.len() / 3).then(|| name.to_owned())
}

fn node_name(node: &Spanned<NodeSpec>) -> String {
    node.get_ref().name.clone()
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

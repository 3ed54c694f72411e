//! The page for Prometheus (`metrics-port`): what INFO shows, under the names that redis_exporter gives it,
//! so that dashboards find what they look for. Owns the connections to that port; [`http`] understands their
//! requests, [`families`] says what is exposed, [`exposition`] writes it down.
//!
//! A strange or slow reader costs little: there are [`CONNECTIONS_MAX`] of them at most, each with one page
//! that waits and one request that is being read, and who is silent for [`SILENCE_MAX`] is dropped.

mod exposition;
mod families;
mod http;

use std::collections::BTreeMap;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use squall_clock::{Mono, Nanos};
use squall_commands::Engine;
use squall_commands::administration::info;

use crate::effect::{Effect, LinkId};
use crate::services::Services;

const CONNECTIONS_MAX: usize = 16;
const SILENCE_MAX: Nanos = Nanos::from_secs(120);

#[derive(Default)]
pub(crate) struct Metrics {
    readers: BTreeMap<LinkId, Reader>,
}

/// One connection.
struct Reader {
    /// What is still to be sent of the answer.
    answer: Bytes,
    /// After the answer the connection ends.
    is_last: bool,
    heard: Mono,
}

impl Metrics {
    pub fn owns(&self, id: LinkId) -> bool {
        self.readers.contains_key(&id)
    }

    /// False: it is not wanted.
    fn accept(&mut self, id: LinkId, now: Mono) -> bool {
        if self.readers.len() >= CONNECTIONS_MAX {
            return false;
        }
        self.readers.insert(id, Reader { answer: Bytes::new(), is_last: false, heard: now });
        true
    }

    pub fn closed(&mut self, id: LinkId) -> bool {
        self.readers.remove(&id).is_some()
    }

    pub fn output_slices<'a>(&'a self, id: LinkId, slices: &mut [IoSlice<'a>]) -> usize {
        match self.readers.get(&id) {
            Some(reader) if !reader.answer.is_empty() => {
                slices[0] = IoSlice::new(&reader.answer);
                1
            }
            _ => 0,
        }
    }

    fn silent(&self, now: Mono) -> Vec<LinkId> {
        let silent = self.readers.iter().filter(|(_, reader)| now.since(reader.heard) > SILENCE_MAX);
        silent.map(|(&id, _)| id).collect()
    }
}

impl Services {
    /// Somebody has connected to `metrics-port`.
    pub fn metrics_accepted(&mut self, engine: &Engine) -> LinkId {
        let id = self.effects.next_link();
        if !self.metrics.accept(id, engine.now.mono) {
            self.effects.push(Effect::CloseLink(id));
        }
        id
    }

    /// Answers a request as soon as it is whole.
    pub fn metrics_data(&mut self, engine: &Engine, id: LinkId, input: &mut BytesMut) -> bool {
        let Some(reader) = self.metrics.readers.get_mut(&id) else { return false };
        reader.heard = engine.now.mono;
        if !reader.answer.is_empty() || reader.is_last {
            // Nobody asks again before there is an answer.
            reader.is_last = true;
            input.clear();
            return true;
        }
        let Some(request) = http::read(input) else { return true };
        let page = match request.wants {
            http::Wants::Metrics => families::expose(engine, &info::everything(engine, self)),
            _ => String::new(),
        };
        let reader = self.metrics.readers.get_mut(&id).expect("it is there a few lines above");
        reader.is_last = !request.keep;
        reader.answer = http::answer(&request, page);
        self.effects.push(Effect::WakeLink(id));
        true
    }

    pub fn metrics_written(&mut self, id: LinkId, count: usize) {
        let Some(reader) = self.metrics.readers.get_mut(&id) else { return };
        reader.answer.advance(count);
        if reader.answer.is_empty() && reader.is_last {
            self.metrics.closed(id);
            self.effects.push(Effect::CloseLink(id));
        }
    }

    pub fn drop_silent_readers(&mut self, now: Mono) {
        for id in self.metrics.silent(now) {
            self.metrics.closed(id);
            self.effects.push(Effect::CloseLink(id));
        }
    }
}

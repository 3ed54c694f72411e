//! Memory stays bounded: a slow replica or a stalled client must not make a node's buffers grow without limit, the backlog
//! keeps to its size, and the dataset to `maxmemory`. What a node says about itself again and again is held against what
//! its configuration allows.

use squall_clock::Mono;

/// One look at what a node holds, in bytes, and at the bounds that it was given; 0 is no bound.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemorySample {
    pub at: Mono,
    pub node: String,
    pub dataset: u64,
    /// `maxmemory`, of a node that has to keep to it itself.
    pub dataset_max: u64,
    /// The stretch of the stream that is on offer.
    pub backlog: u64,
    /// `repl-backlog-size`.
    pub backlog_max: u64,
    /// The stream as it is kept for replicas, slow ones included.
    pub stream: u64,
    /// What a replica may fall behind before it is cut off.
    pub replica_output_max: u64,
    /// What waits to be sent to clients.
    pub clients: u64,
    /// What waits for the peer of the cluster's bus for which most does.
    pub bus_link: u64,
    /// `cluster-link-sendbuf-limit`.
    pub bus_link_max: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Memory {
    pub peak_dataset: u64,
    pub peak_backlog: u64,
    /// What all buffers of one node held at once.
    pub peak_buffers: u64,
    pub peak_bus_link: u64,
    pub overgrown: Vec<Overgrown>,
}

/// A bound that was not kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Overgrown {
    pub at: Mono,
    pub node: String,
    pub what: &'static str,
    pub bytes: u64,
    pub bytes_max: u64,
}

/// The last command that found room may be larger than the room, and blocks are given back whole.
const SLACK_BYTES: u64 = 256 << 10;

pub fn memory(samples: &[MemorySample]) -> Memory {
    let mut report = Memory::default();
    for sample in samples {
        report.peak_dataset = report.peak_dataset.max(sample.dataset);
        report.peak_backlog = report.peak_backlog.max(sample.backlog);
        report.peak_buffers = report.peak_buffers.max(sample.stream + sample.clients);
        report.peak_bus_link = report.peak_bus_link.max(sample.bus_link);
        // The stream is kept once: as long as the backlog, and as far back as the slowest replica.
        let stream_max = match sample.replica_output_max {
            0 => 0,
            output => output.max(sample.backlog_max),
        };
        let bounds = [
            ("the dataset", sample.dataset, sample.dataset_max),
            ("the backlog", sample.backlog, sample.backlog_max.max(stream_max)),
            ("the stream for replicas", sample.stream, stream_max),
            ("a link of the bus", sample.bus_link, sample.bus_link_max),
        ];
        for (what, bytes, bytes_max) in bounds {
            if bytes_max > 0 && bytes > bytes_max + SLACK_BYTES {
                let (at, node) = (sample.at, sample.node.clone());
                report.overgrown.push(Overgrown { at, node, what, bytes, bytes_max });
            }
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_outgrows_its_bound_is_named_and_what_has_none_is_measured() {
        let healthy = MemorySample {
            dataset: 5 << 20,
            dataset_max: 5 << 20,
            backlog: 1 << 20,
            backlog_max: 1 << 20,
            stream: 7 << 20,
            replica_output_max: 8 << 20,
            clients: 3 << 20,
            bus_link: 1 << 20,
            bus_link_max: 1 << 20,
            ..Default::default()
        };
        let report = memory(std::slice::from_ref(&healthy));
        assert_eq!((report.peak_buffers, report.overgrown), (10 << 20, vec![]));
        let overgrown = |sample: MemorySample| {
            memory(&[healthy.clone(), sample]).overgrown.iter().map(|found| found.what).collect::<Vec<_>>()
        };
        assert_eq!(overgrown(MemorySample { dataset: 6 << 20, ..healthy.clone() }), ["the dataset"]);
        assert_eq!(
            overgrown(MemorySample { stream: 9 << 20, ..healthy.clone() }),
            ["the stream for replicas"]
        );
        assert_eq!(overgrown(MemorySample { bus_link: 2 << 20, ..healthy.clone() }), ["a link of the bus"]);
        let unbounded = MemorySample { dataset: 90 << 20, dataset_max: 0, ..healthy.clone() };
        assert_eq!(overgrown(unbounded), [""; 0]);
        let alone = MemorySample { backlog: 3 << 20, replica_output_max: 0, ..healthy.clone() };
        assert_eq!(overgrown(alone), ["the backlog"]);
    }
}

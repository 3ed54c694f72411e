//! What the gossip of a large cluster costs, and how soon it replaces a dead primary:
//! `cargo run --release -p squall-message-world --example gossip_cost -- 10 100 1000`, and the same with `--full` for
//! nodes that ask everybody, as other servers' do. The CPU time is that of all nodes and their world, divided.

use std::time::Duration;

use squall_message_world::census::{Death, Setting, replacement_ms, steady_cost};

const SECONDS: u64 = 10;

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_sparse = !arguments.iter().any(|word| word == "--full");
    arguments.retain(|word| word != "--full");
    println!(
        "{:>6} {:>12} {:>11} {:>10} {:>15} {:>15}",
        "nodes", "bytes/s", "messages/s", "CPU us/s", "killed", "power lost"
    );
    for nodes in arguments.iter().filter_map(|word| word.parse().ok()) {
        let setting = Setting { nodes, node_timeout_ms: 15_000, is_sparse, is_quick: true };
        let mut world = setting.world(1);
        let before = cpu_time();
        let cost = steady_cost(&mut world, SECONDS);
        let cpu_us = (cpu_time() - before).as_micros() as u64 / (nodes as u64 * SECONDS);
        let killed = replacement_ms(&mut world, 0, Death::OfProcess);
        let lost = replacement_ms(&mut world, 1, Death::OfMachine);
        println!(
            "{nodes:>6} {:>12.0} {:>11.1} {cpu_us:>10} {killed:>12} ms {lost:>12} ms",
            cost.bytes, cost.messages
        );
    }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

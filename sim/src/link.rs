//! What a link is like in one direction: latency, bandwidth, window, loss, short reads and writes. Settings are
//! data; [`crate::paths`] applies them.

use std::fmt;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use squall_clock::{Mono, Nanos};

use crate::entropy::unit;
use crate::quantity::{Rate, Size, Span};

/// One direction of a link between two machines.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkSettings {
    pub latency: Latency,
    /// Shared by all connections in this direction; none is unlimited.
    pub bandwidth: Option<Rate>,
    /// How much one connection holds in this direction: what was written and not yet read by the peer's process.
    pub window: Size,
    /// The share of segments that are lost and have to be sent again.
    pub loss: f64,
    /// The share of reads and writes that move only a part of what they could.
    pub short: f64,
}

/// A change to some of the settings; what is absent stays.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Rate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short: Option<f64>,
}

/// How long a segment travels, beside the time that its bytes take to be sent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Latency {
    /// `"500us"`
    Fixed(Span),
    /// `{ min = "200us", max = "2ms" }`
    Uniform(Uniform),
    /// `{ median = "500us", sigma = 0.5 }`
    LogNormal(LogNormal),
    /// `{ usual = "500us", burst = "80ms", every = "10s", lasting = "1s" }`
    Bursts(Bursts),
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uniform {
    pub min: Span,
    pub max: Span,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogNormal {
    pub median: Span,
    pub sigma: f64,
}

/// `usual` most of the time; in each period of `every` the last `lasting` have `burst` instead.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bursts {
    pub usual: Box<Latency>,
    pub burst: Box<Latency>,
    pub every: Span,
    pub lasting: Span,
}

/// No draw of a log-normal latency exceeds this.
const LATENCY_MAX: Nanos = Nanos::from_secs(60);

impl Latency {
    pub fn draw(&self, rng: &mut ChaCha8Rng, now: Mono) -> Nanos {
        match self {
            Latency::Fixed(span) => span.0,
            Latency::Uniform(Uniform { min, max }) => {
                let width = max.0.0.saturating_sub(min.0.0);
                Nanos(min.0.0 + (unit(rng) * width as f64) as u64)
            }
            Latency::LogNormal(LogNormal { median, sigma }) => {
                // Box and Muller. libm is the same on every machine, which the platform's own functions are not.
                let radius = libm::sqrt(-2.0 * libm::log(1.0 - unit(rng)));
                let normal = radius * libm::cos(2.0 * std::f64::consts::PI * unit(rng));
                Nanos((median.0.0 as f64 * libm::exp(sigma * normal)) as u64).min(LATENCY_MAX)
            }
            Latency::Bursts(bursts) => bursts.at(now).draw(rng, now),
        }
    }

    /// A latency near the middle of the distribution, for what needs no draw of its own (acknowledgements).
    pub fn typical(&self, now: Mono) -> Nanos {
        match self {
            Latency::Fixed(span) => span.0,
            Latency::Uniform(Uniform { min, max }) => Nanos((min.0.0 + max.0.0) / 2),
            Latency::LogNormal(LogNormal { median, .. }) => median.0,
            Latency::Bursts(bursts) => bursts.at(now).typical(now),
        }
    }

    /// Says what is impossible about it.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Latency::Fixed(_) => Ok(()),
            Latency::Uniform(Uniform { min, max }) if min > max => {
                Err(format!("a latency from {min} to {max} runs backwards"))
            }
            Latency::Uniform(_) => Ok(()),
            Latency::LogNormal(LogNormal { sigma, .. }) if !(0.0..=5.0).contains(sigma) => {
                Err(format!("sigma is {sigma}; it must lie between 0 and 5"))
            }
            Latency::LogNormal(_) => Ok(()),
            Latency::Bursts(Bursts { lasting, every, .. }) if lasting > every || every.0.0 == 0 => {
                Err(format!("a burst of {lasting} does not fit into a period of {every}"))
            }
            Latency::Bursts(Bursts { usual, burst, .. }) => usual.check().and_then(|()| burst.check()),
        }
    }
}

impl Bursts {
    fn at(&self, now: Mono) -> &Latency {
        let quiet = self.every.0.0 - self.lasting.0.0;
        if now.0 % self.every.0.0 < quiet { &self.usual } else { &self.burst }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Latency::Fixed(span) => write!(f, "{span}"),
            Latency::Uniform(Uniform { min, max }) => write!(f, "{min} to {max}"),
            Latency::LogNormal(LogNormal { median, sigma }) => write!(f, "about {median} (sigma {sigma})"),
            Latency::Bursts(Bursts { usual, burst, every, lasting }) => {
                write!(f, "{usual}, and {burst} for {lasting} in every {every}")
            }
        }
    }
}

impl fmt::Display for LinkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LinkChange { latency, bandwidth, window, loss, short } = self;
        let told = [
            latency.as_ref().map(|latency| format!("latency {latency}")),
            bandwidth.map(|rate| format!("bandwidth {rate}")),
            window.map(|window| format!("window {window}")),
            loss.map(|loss| format!("{} % lost", loss * 100.0)),
            short.map(|short| format!("{} % short reads and writes", short * 100.0)),
        ];
        f.write_str(&told.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl Default for LinkSettings {
    /// A machine room: 250 µs each way, no loss, a window of 256 KiB.
    fn default() -> LinkSettings {
        LinkSettings {
            latency: Latency::Fixed(Span::from_micros(250)),
            bandwidth: None,
            window: Size(256 << 10),
            loss: 0.0,
            short: 0.0,
        }
    }
}

impl LinkSettings {
    pub fn change(&mut self, change: &LinkChange) {
        let LinkChange { latency, bandwidth, window, loss, short } = change.clone();
        self.latency = latency.unwrap_or_else(|| self.latency.clone());
        self.bandwidth = bandwidth.or(self.bandwidth);
        self.window = window.unwrap_or(self.window);
        self.loss = loss.unwrap_or(self.loss);
        self.short = short.unwrap_or(self.short);
    }

    pub fn check(&self) -> Result<(), String> {
        self.latency.check()?;
        for (name, share) in [("loss", self.loss), ("short", self.short)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("{name} is {share}; it is a share between 0 and 1"));
            }
        }
        if self.window.0 == 0 {
            return Err("a window of no bytes lets nothing through".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::stream;

    fn mean_us(latency: &Latency) -> u64 {
        let mut rng = stream(1, "latency", 0);
        (0..10_000).map(|_| latency.draw(&mut rng, Mono(0)).as_micros()).sum::<u64>() / 10_000
    }

    #[test]
    fn distributions_have_the_mean_that_they_promise() {
        assert_eq!(mean_us(&Latency::Fixed(Span::from_micros(500))), 500);
        let uniform = Latency::Uniform(Uniform { min: Span::from_micros(100), max: Span::from_micros(300) });
        assert!((195..205).contains(&mean_us(&uniform)));
        // The mean of a log-normal distribution is its median times exp(sigma² / 2).
        let spread = Latency::LogNormal(LogNormal { median: Span::from_micros(1_000), sigma: 0.5 });
        assert!((1_110..1_155).contains(&mean_us(&spread)), "{}", mean_us(&spread));
    }

    #[test]
    fn bursts_come_at_the_end_of_each_period() {
        let bursts = Latency::Bursts(Bursts {
            usual: Box::new(Latency::Fixed(Span::from_micros(1))),
            burst: Box::new(Latency::Fixed(Span::from_millis(9))),
            every: Span::from_secs(10),
            lasting: Span::from_secs(1),
        });
        let at = |second| bursts.typical(Mono(0) + Nanos::from_secs(second)).as_micros();
        assert_eq!([at(0), at(8), at(9), at(10), at(19)], [1, 1, 9_000, 1, 9_000]);
    }

    #[test]
    fn impossible_settings_are_refused() {
        let refused = |change: LinkChange| {
            let mut settings = LinkSettings::default();
            settings.change(&change);
            settings.check().is_err()
        };
        assert!(!refused(LinkChange::default()));
        assert!(refused(LinkChange { loss: Some(-0.1), ..Default::default() }));
        assert!(refused(LinkChange { window: Some(Size(0)), ..Default::default() }));
    }
}

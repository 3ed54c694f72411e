//! Which seeds are played: a range, and the part of it that falls to one of several machines. Parts of one range
//! never overlap and together are the whole, so that no machine needs to talk to another.

use std::fmt;
use std::str::FromStr;

/// `7`, or `1..20` with both ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seeds {
    pub first: u64,
    pub last: u64,
}

/// `i/n`: every n-th seed, beginning with the i-th; i counts from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shard {
    pub index: u64,
    pub count: u64,
}

impl Seeds {
    pub fn only(seed: u64) -> Seeds {
        Seeds { first: seed, last: seed }
    }

    /// Those that fall to `shard`, in order.
    pub fn of(self, shard: Shard) -> impl Iterator<Item = u64> {
        let Seeds { first, last } = self;
        let step = usize::try_from(shard.count).unwrap_or(usize::MAX);
        first.checked_add(shard.index).into_iter().flat_map(move |begin| (begin..=last).step_by(step))
    }

    pub fn is_one(self) -> bool {
        self.first == self.last
    }
}

impl Default for Shard {
    fn default() -> Shard {
        Shard { index: 0, count: 1 }
    }
}

impl FromStr for Seeds {
    type Err = String;
    fn from_str(text: &str) -> Result<Seeds, String> {
        let refuse = || format!("`{text}` is neither a seed such as 7 nor a range such as 1..20");
        let number = |text: &str| text.trim().parse::<u64>().map_err(|_| refuse());
        let seeds = match text.split_once("..") {
            Some((first, last)) => Seeds { first: number(first)?, last: number(last)? },
            None => Seeds::only(number(text)?),
        };
        if seeds.first > seeds.last {
            return Err(format!("the range `{text}` runs backwards"));
        }
        Ok(seeds)
    }
}

impl FromStr for Shard {
    type Err = String;
    fn from_str(text: &str) -> Result<Shard, String> {
        let refuse = || format!("`{text}` is not a shard such as 0/4, which counts from 0");
        let (index, count) = text.split_once('/').ok_or_else(refuse)?;
        let shard = Shard {
            index: index.trim().parse().map_err(|_| refuse())?,
            count: count.trim().parse().map_err(|_| refuse())?,
        };
        if shard.index >= shard.count {
            return Err(refuse());
        }
        Ok(shard)
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_one() {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}..{}", self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_a_range_without_overlap() {
        let seeds: Seeds = "5..23".parse().unwrap();
        let mut all: Vec<u64> = (0..4).flat_map(|index| seeds.of(Shard { index, count: 4 })).collect();
        all.sort_unstable();
        assert_eq!(all, (5..=23).collect::<Vec<_>>());
        assert_eq!("1/4".parse::<Shard>().map(|shard| seeds.of(shard).next()), Ok(Some(6)));
        assert_eq!(Seeds::only(7).of(Shard { index: 3, count: 4 }).count(), 0);
        assert_eq!(seeds.of(Shard { index: 0, count: u64::MAX }).count(), 1);
    }

    #[test]
    fn what_is_no_range_or_shard_is_refused() {
        assert!("9..3".parse::<Seeds>().unwrap_err().contains("backwards"));
        assert!("a..b".parse::<Seeds>().is_err() && "-1".parse::<Seeds>().is_err());
        assert!(
            "4/4".parse::<Shard>().is_err()
                && "1".parse::<Shard>().is_err()
                && "0/0".parse::<Shard>().is_err()
        );
    }
}

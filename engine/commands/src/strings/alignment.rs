//! The longest common subsequence of two strings, for LCS.

/// A longest common subsequence, as the runs of bytes that both strings hold one after the other.
pub struct Alignment {
    /// The last run first, as LCS answers them.
    pub runs: Vec<Run>,
    pub len: usize,
}

/// `len` equal bytes, at `a` in one string and at `b` in the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    pub a: usize,
    pub b: usize,
    pub len: usize,
}

impl Alignment {
    /// Takes time and memory in proportion to the product of both lengths; callers bound it.
    pub fn of(a: &[u8], b: &[u8]) -> Alignment {
        let lens = PrefixLens::of(a, b);
        let (mut i, mut j) = (a.len(), b.len());
        let mut runs: Vec<Run> = Vec::new();
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                match runs.last_mut() {
                    Some(run) if run.a == i + 1 && run.b == j + 1 => {
                        *run = Run { a: i, b: j, len: run.len + 1 }
                    }
                    _ => runs.push(Run { a: i, b: j, len: 1 }),
                }
            } else if lens.at(i - 1, j) > lens.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        Alignment { runs, len: lens.at(a.len(), b.len()) as usize }
    }

    /// The common bytes, taken from the string that the runs' `a` refers to.
    pub fn text(&self, a: &[u8]) -> Vec<u8> {
        self.runs.iter().rev().flat_map(|run| &a[run.a..run.a + run.len]).copied().collect()
    }

    /// How many bytes of memory [`Alignment::of`] takes for strings of these lengths.
    pub fn memory_bytes(a_len: usize, b_len: usize) -> u128 {
        (a_len as u128 + 1) * (b_len as u128 + 1) * size_of::<u32>() as u128
    }
}

/// The length of the longest common subsequence of each pair of prefixes.
struct PrefixLens {
    lens: Vec<u32>,
    width: usize,
}

impl PrefixLens {
    fn of(a: &[u8], b: &[u8]) -> PrefixLens {
        let width = b.len() + 1;
        let mut lens = vec![0u32; (a.len() + 1) * width];
        for (row, byte) in a.iter().enumerate() {
            let (above, below) = lens[row * width..(row + 2) * width].split_at_mut(width);
            for (column, other) in b.iter().enumerate() {
                below[column + 1] = match byte == other {
                    true => above[column] + 1,
                    false => above[column + 1].max(below[column]),
                };
            }
        }
        PrefixLens { lens, width }
    }

    fn at(&self, a_len: usize, b_len: usize) -> u32 {
        self.lens[a_len * self.width + b_len]
    }
}

//! The arguments of a request: ranges over one buffer, borrowed ([`Args`]) or kept ([`OwnedArgs`]).

use std::ops::Index;

/// Where one argument lies in its buffer. Four-byte fields keep a request's ranges within a cache line
/// or two; the parser refuses requests that they could not address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArgRange {
    pub start: u32,
    pub len: u32,
}

impl ArgRange {
    pub(crate) fn of(self, buffer: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &buffer[start..start + self.len as usize]
    }
}

/// The arguments of one request, command name first. Copying it copies two references.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    buffer: &'a [u8],
    ranges: &'a [ArgRange],
}

impl<'a> Args<'a> {
    /// Every range must lie within `buffer`.
    pub fn over(buffer: &'a [u8], ranges: &'a [ArgRange]) -> Args<'a> {
        Args { buffer, ranges }
    }

    #[inline]
    pub fn len(self) -> usize {
        self.ranges.len()
    }

    pub fn is_empty(self) -> bool {
        self.ranges.is_empty()
    }

    #[inline]
    pub fn get(self, index: usize) -> Option<&'a [u8]> {
        self.ranges.get(index).map(|range| range.of(self.buffer))
    }

    /// The argument at `index`, which must exist: a row's arity is checked before its function runs.
    #[inline]
    pub fn at(self, index: usize) -> &'a [u8] {
        self.ranges[index].of(self.buffer)
    }

    /// The arguments from the `count`-th on; none when there are fewer.
    pub fn skip(self, count: usize) -> Args<'a> {
        Args { buffer: self.buffer, ranges: self.ranges.get(count..).unwrap_or(&[]) }
    }

    /// The first `count` arguments; all when there are fewer.
    pub fn first(self, count: usize) -> Args<'a> {
        Args { buffer: self.buffer, ranges: &self.ranges[..count.min(self.ranges.len())] }
    }

    /// How much of the buffer they take, with what stands between them.
    #[inline]
    pub fn span_bytes(self) -> usize {
        match self.ranges {
            [first, .., last] => (last.start + last.len).saturating_sub(first.start) as usize,
            [only] => only.len as usize,
            [] => 0,
        }
    }

    pub fn iter(self) -> ArgsIter<'a> {
        ArgsIter { buffer: self.buffer, ranges: self.ranges.iter() }
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];
    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.at(index)
    }
}

impl<'a> IntoIterator for Args<'a> {
    type Item = &'a [u8];
    type IntoIter = ArgsIter<'a>;
    fn into_iter(self) -> ArgsIter<'a> {
        self.iter()
    }
}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|arg| arg.escape_ascii().to_string())).finish()
    }
}

#[derive(Clone)]
pub struct ArgsIter<'a> {
    buffer: &'a [u8],
    ranges: std::slice::Iter<'a, ArgRange>,
}

impl<'a> Iterator for ArgsIter<'a> {
    type Item = &'a [u8];
    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.ranges.next().map(|range| range.of(self.buffer))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranges.size_hint()
    }
}

impl DoubleEndedIterator for ArgsIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.ranges.next_back().map(|range| range.of(self.buffer))
    }
}

impl ExactSizeIterator for ArgsIter<'_> {}

/// Arguments that outlive the read buffer (a queued command, a blocked client): one buffer and its ranges.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct OwnedArgs {
    buffer: Box<[u8]>,
    ranges: Box<[ArgRange]>,
}

impl OwnedArgs {
    pub fn from_args(args: Args<'_>) -> OwnedArgs {
        OwnedArgs::collect(args.iter())
    }

    pub fn from_slices(args: &[&[u8]]) -> OwnedArgs {
        OwnedArgs::collect(args.iter().copied())
    }

    pub fn as_args(&self) -> Args<'_> {
        Args { buffer: &self.buffer, ranges: &self.ranges }
    }

    /// The bytes of all arguments together.
    pub fn bytes_len(&self) -> usize {
        self.buffer.len()
    }

    fn collect<'a>(args: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> OwnedArgs {
        let total: usize = args.clone().map(<[u8]>::len).sum();
        assert!(u32::try_from(total).is_ok(), "the arguments of one command pass 4 GiB");
        let mut buffer = Vec::with_capacity(total);
        let mut ranges = Vec::with_capacity(args.len());
        for arg in args {
            ranges.push(ArgRange { start: buffer.len() as u32, len: arg.len() as u32 });
            buffer.extend_from_slice(arg);
        }
        OwnedArgs { buffer: buffer.into(), ranges: ranges.into() }
    }
}

impl std::fmt::Debug for OwnedArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_args().fmt(f)
    }
}

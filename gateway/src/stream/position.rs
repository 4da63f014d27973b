//! A place in the log between two events: what a client says where it was cut off.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// Most digits of an offset.
const MAX_DIGITS: usize = 18;

/// How far a partition was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Offset of the next record.
    pub(crate) next: i64,
    /// How many of that record's events have been seen already.
    pub(crate) seen: u8,
}

impl Place {
    /// Before all events of the record at an offset.
    pub(crate) fn at(next: i64) -> Self {
        Self { next, seen: 0 }
    }
}

/// How far each partition of the topic was read, by number from 0. It means the same to every gateway.
///
/// As text: the offsets, joined by `-`, each with `.` and the number of events behind it where some of the record's events
/// have been seen: `12-0-455.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position(Vec<Place>);

impl Position {
    pub(crate) fn new(places: Vec<Place>) -> Self {
        Self(places)
    }

    /// How many partitions there are.
    pub(crate) fn partitions(&self) -> usize {
        self.0.len()
    }

    /// How far a partition was read.
    pub(crate) fn place(&self, partition: i32) -> Option<Place> {
        self.0.get(usize::try_from(partition).ok()?).copied()
    }

    /// Notes how far a partition was read; of one that there is not, nothing.
    pub(crate) fn set(&mut self, partition: i32, place: Place) {
        if let Some(own) = usize::try_from(partition).ok().and_then(|index| self.0.get_mut(index)) {
            *own = place;
        }
    }
}

impl Display for Position {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, place) in self.0.iter().enumerate() {
            let dash = if index > 0 { "-" } else { "" };
            write!(f, "{dash}{}", place.next)?;
            if place.seen > 0 {
                write!(f, ".{}", place.seen)?;
            }
        }
        Ok(())
    }
}

/// The text is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let place = |text: &str| {
            let (next, seen) = text.split_once('.').map_or((text, None), |(next, seen)| (next, Some(seen)));
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(next) || next.len() > MAX_DIGITS || !seen.is_none_or(digits) {
                return Err(NoPosition);
            }
            let seen = seen.map_or(Ok(0), str::parse).map_err(|_| NoPosition)?;
            Ok(Place { next: next.parse().map_err(|_| NoPosition)?, seen })
        };
        text.split('-').map(place).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_told_and_read() {
        let position = Position::new(vec![Place::at(12), Place::at(0), Place { next: 455, seen: 1 }]);
        assert_eq!(position.to_string(), "12-0-455.1");
        assert_eq!("12-0-455.1".parse(), Ok(position));
    }

    #[test]
    fn everything_else_is_no_position() {
        let cases = [
            "",
            "-",
            "1-",
            "-1",
            "1--2",
            "+1",
            " 1",
            "1 ",
            "1.",
            ".1",
            "1.2.3",
            "1.256",
            "1.-1",
            "0x1",
            "1,2",
            "0196a7c2-7d1e-7000-8000-3f2a5c1b9e77",
            "9999999999999999999",
            "\u{661}",
        ];
        for text in cases {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text:?}");
        }
    }
}

/// Where to begin with a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begin {
    /// The first offset to read.
    pub(super) next: i64,
    /// What is odd about it.
    pub(super) odd: Option<Odd>,
}

/// What does not fit between a store and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Odd {
    /// The log holds no more of what comes after the store's last record.
    Lost,
    /// The store is ahead of the log, which must be another one.
    MadeAnew,
}

/// Decides by the store's offset, if it has one, and the log's first and last one.
pub(super) fn begin(stored: Option<i64>, low: i64, high: i64) -> Begin {
    match stored {
        None => Begin { next: low, odd: None },
        Some(stored) if stored > high => Begin { next: low, odd: Some(Odd::MadeAnew) },
        Some(stored) if stored < low => Begin { next: low, odd: Some(Odd::Lost) },
        Some(stored) => Begin { next: stored, odd: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_goes_on_where_it_ended_if_it_can() {
        let cases = [
            (None, 0, 0, 0, None),
            (None, 5, 9, 5, None),
            (Some(0), 0, 9, 0, None),
            (Some(7), 5, 9, 7, None),
            (Some(9), 5, 9, 9, None),
            (Some(5), 5, 5, 5, None),
            (Some(4), 5, 9, 5, Some(Odd::Lost)),
            (Some(10), 5, 9, 5, Some(Odd::MadeAnew)),
            (Some(1), 0, 0, 0, Some(Odd::MadeAnew)),
        ];
        for (stored, low, high, next, odd) in cases {
            assert_eq!(begin(stored, low, high), Begin { next, odd }, "{stored:?} of {low}..{high}");
        }
    }
}

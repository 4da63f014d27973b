use super::histogram::Histogram;
use std::time::Duration;

/// Length of one part of the window.
const PART: Duration = Duration::from_secs(60);
/// Parts of the window.
const PARTS: usize = 15;

/// The calls of the last 15 min: a ring of parts, of which the oldest is used anew.
pub(super) struct Window {
    parts: [Part; PARTS],
}

/// What is counted in a part.
#[derive(Clone, Default)]
pub(super) struct Part {
    /// Its number since the start; `None` before its first use.
    number: Option<u64>,
    pub(super) successes: u64,
    pub(super) failures: u64,
    pub(super) latency: Histogram,
}

impl Default for Window {
    fn default() -> Self {
        Self { parts: std::array::from_fn(|_| Part::default()) }
    }
}

impl Window {
    /// How far back it goes, in seconds. The part that is under way counts as a whole one, so it may be a minute less.
    pub(super) const SECONDS: u32 = PART.as_secs() as u32 * PARTS as u32;

    /// Takes in a call that ended so long after the start.
    pub(super) fn record(&mut self, since_start: Duration, took: Duration, succeeded: bool) {
        let number = number(since_start);
        let part = &mut self.parts[place(number)];
        if part.number != Some(number) {
            // A call can be told of late, by a thread that was held up; what is newer stays.
            if part.number.is_some_and(|newer| newer > number) {
                return;
            }
            (part.number, part.successes, part.failures) = (Some(number), 0, 0);
            part.latency.clear();
        }
        if succeeded {
            part.successes += 1;
        } else {
            part.failures += 1;
        }
        part.latency.record(took);
    }

    /// All calls in the window that ends so long after the start.
    pub(super) fn sum(&self, since_start: Duration) -> Part {
        let last = number(since_start);
        let mut sum = Part { number: Some(last), ..Part::default() };
        let is_in = |part: &&Part| part.number.is_some_and(|number| number + PARTS as u64 > last);
        for part in self.parts.iter().filter(is_in) {
            sum.successes += part.successes;
            sum.failures += part.failures;
            sum.latency.add(&part.latency);
        }
        sum
    }
}

fn number(since_start: Duration) -> u64 {
    since_start.as_secs() / PART.as_secs()
}

fn place(number: u64) -> usize {
    // Less than PARTS.
    (number % PARTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let at = Duration::from_secs;
        // When calls end, when one looks, how many there are.
        let cases: [(&[u64], u64, u64); 8] = [
            (&[], 0, 0),
            (&[0, 59, 60], 60, 3),
            (&[0, 59, 60], 899, 3),
            (&[0, 59, 60], 900, 1),
            (&[0, 59, 60], 960, 0),
            // A part is used anew.
            (&[0, 1, 900], 900, 1),
            (&[0, 1, 900], 1_000_000, 0),
            // One comes late, behind another of the same place in the ring.
            (&[900, 30], 900, 1),
        ];
        for (ended, now, count) in cases {
            let mut window = Window::default();
            ended.iter().for_each(|second| window.record(at(*second), MS, true));
            let sum = window.sum(at(now));
            assert_eq!((sum.successes, sum.latency.to_record().count()), (count, count), "{ended:?} at {now} s");
        }
    }

    #[test]
    fn successes_and_failures_are_told_apart() {
        let mut window = Window::default();
        [true, false, false].into_iter().for_each(|succeeded| window.record(Duration::ZERO, MS, succeeded));
        let sum = window.sum(Duration::ZERO);
        assert_eq!((sum.successes, sum.failures, sum.latency.to_record().sum_us), (1, 2, 3_000));
    }
}

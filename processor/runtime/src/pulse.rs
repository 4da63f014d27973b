//! Notices a worker that does not come back: librdkafka's `send_offsets_to_transaction` has been seen not to return,
//! whatever its time-out (<https://github.com/confluentinc/librdkafka/issues/5456>). A thread can't be ended from
//! outside, so the process ends, and whoever runs it starts it again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Looks without a beat after which a worker counts as stuck: five minutes of looks every five seconds, librdkafka's
/// `max.poll.interval.ms`, after which the group has given its partitions away. Looks are counted and not time, so that
/// a process that was frozen as a whole is not taken for one with a stuck worker.
const MAX_LOOKS: u32 = 60;
/// Time between two looks at threads that shall end.
const JOIN_EVERY: Duration = Duration::from_millis(20);

/// A worker's beats, one a turn of its loop.
#[derive(Debug, Default)]
pub(crate) struct Pulse(AtomicU64);

impl Pulse {
    /// The worker has come back.
    pub(crate) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the last look at one pulse has shown.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    beats: u64,
    /// Looks in a row that have shown nothing new.
    looks: u32,
}

impl Watch {
    /// Looks again; returns whether the worker is stuck. One that has not begun to beat isn't.
    pub(crate) fn is_stuck(&mut self, pulse: &Pulse) -> bool {
        let beats = pulse.0.load(Ordering::Relaxed);
        self.looks = if beats == self.beats && beats > 0 { self.looks + 1 } else { 0 };
        self.beats = beats;
        self.looks >= MAX_LOOKS
    }
}

/// Waits for threads, for a stuck one among them at most `patience`. Returns how many have panicked and how many have
/// not ended.
pub(crate) fn join(threads: impl IntoIterator<Item = JoinHandle<()>>, patience: Option<Duration>) -> (usize, usize) {
    let (mut panicked, mut left, mut waited) = (0, 0, Duration::ZERO);
    for thread in threads {
        while let Some(patience) = patience
            && !thread.is_finished()
            && waited < patience
        {
            std::thread::sleep(JOIN_EVERY);
            waited += JOIN_EVERY;
        }
        if patience.is_some() && !thread.is_finished() {
            left += 1;
        } else if thread.join().is_err() {
            panicked += 1;
        }
    }
    (panicked, left)
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_worker_is_stuck_after_many_looks_without_a_beat() {
        let (pulse, mut watch) = (Pulse::default(), Watch::default());
        assert!((0..2 * MAX_LOOKS).all(|_| !watch.is_stuck(&pulse)), "it has not begun");
        pulse.beat();
        assert!((0..MAX_LOOKS).all(|_| !watch.is_stuck(&pulse)));
        pulse.beat();
        assert!((0..MAX_LOOKS).all(|_| !watch.is_stuck(&pulse)), "a beat begins the count anew");
        assert!(watch.is_stuck(&pulse));
        pulse.beat();
        assert!(!watch.is_stuck(&pulse));
    }

    #[test]
    fn a_stuck_thread_is_not_waited_for_without_end() {
        let (release, held) = mpsc::channel::<()>();
        let stuck = std::thread::spawn(move || assert!(held.recv().is_err(), "nothing is sent"));
        let good = std::thread::spawn(|| {});
        let bad = std::thread::spawn(|| panic!("on purpose"));
        while !(good.is_finished() && bad.is_finished()) {
            std::thread::yield_now();
        }
        assert_eq!(join([stuck, good, bad], Some(Duration::from_millis(200))), (1, 1));
        drop(release);
        assert_eq!(join([std::thread::spawn(|| {})], None), (0, 0));
    }
}

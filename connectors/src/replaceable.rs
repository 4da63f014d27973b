use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// What has ended a producer for good, if anything has.
type Fatal = Option<(RDKafkaErrorCode, String)>;

/// A producer; a fatal error ends it, and another one takes its place.
pub(crate) struct Replaceable<P> {
    /// Whose it is, for the log.
    client: String,
    make: Box<dyn Fn() -> KafkaResult<P> + Send + Sync>,
    fatal: fn(&P) -> Fatal,
    current: RwLock<P>,
}

impl<P: Send + 'static> Replaceable<P> {
    /// Makes the first one. `fatal` says what has ended one for good.
    pub(crate) fn new(
        client: impl Into<String>,
        make: impl Fn() -> KafkaResult<P> + Send + Sync + 'static,
        fatal: fn(&P) -> Fatal,
    ) -> KafkaResult<Self> {
        let current = RwLock::new(make()?);
        Ok(Self { client: client.into(), make: Box::new(make), fatal, current })
    }

    /// The one to use now.
    pub(crate) fn current(&self) -> RwLockReadGuard<'_, P> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a new one in place of one that has failed for good; where that can't be done yet, the next call tries again.
    pub(crate) fn replace_failed(&self) {
        if (self.fatal)(&self.current()).is_none() {
            return;
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let Some((code, reason)) = (self.fatal)(&current) else { return };
        let client = &self.client;
        tracing::warn!(client, %code, reason, "producer has failed for good; making another");
        let failed = match (self.make)() {
            Ok(producer) => std::mem::replace(&mut *current, producer),
            Err(error) => return tracing::warn!(client, %error, "no producer yet"),
        };
        drop(current);
        // What it still has comes back, each record to who is told of it; that can take it a second.
        std::thread::spawn(move || drop(failed));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rdkafka::error::KafkaError;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A producer by its number; odd ones have failed for good.
    fn fatal(number: &usize) -> Fatal {
        (number % 2 == 1).then(|| (RDKafkaErrorCode::Fatal, "odd".to_owned()))
    }

    #[test]
    fn one_that_has_failed_is_replaced_once_and_a_sound_one_never() {
        let made = Arc::new(AtomicUsize::new(1));
        let count = Arc::clone(&made);
        let replaceable = Replaceable::new(
            "test",
            move || match count.fetch_add(1, Ordering::SeqCst) {
                2 => Err(KafkaError::Canceled),
                number => Ok(number),
            },
            fatal,
        )
        .unwrap();
        let after: Vec<usize> = (0..4)
            .map(|_| {
                replaceable.replace_failed();
                *replaceable.current()
            })
            .collect();
        assert_eq!(after, [1, 3, 4, 4], "the second one could not be made, the third failed as well");
        assert_eq!(made.load(Ordering::SeqCst), 5);
    }
}

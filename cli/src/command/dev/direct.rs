//! Transactions handed to the embedded broker directly: the processor and it are one process.
//!
//! What is written, what is refused and what a crash leaves is as over the network, where each transaction costs requests
//! to three connections, and a thread's waking for each of them.

use acteon_broker::{Direct, DirectProducer, RecordBatch, Refused};
use acteon_runtime::{
    ChangelogOffsets, Clock as _, CommitError, Committing, InTopic, LogError, Member, OutRecord, OutTopicNames,
    Producers, SendError, Sink, SystemClock, Tag, input_topics,
};
use acteon_topology::{Names, partition_of};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How long a transaction that a killed process has left holds up those who read committed records, where no successor
/// ends it, in milliseconds.
const TRANSACTION_TIMEOUT_MS: i32 = 10_000;
/// Bytes of a batch beyond which another one is begun.
const BATCH_BYTES: usize = 512 * 1024;
/// Largest record that is sent, in bytes: as much as over the network.
const MAX_RECORD_BYTES: usize = 2 * 1024 * 1024;
/// Processors that reach a broker over the network have so many producers a worker. All are fenced, for one with the same
/// instance id may have been there before.
const PRODUCERS: usize = 2;

/// Producers into a broker of this process, for the workers of an application.
pub(super) fn producers(broker: Direct, names: &Names, application_id: &str) -> Producers {
    let (names, group) = (names.clone(), application_id.to_owned());
    Producers::new(move |transactional_id| {
        Ok(Box::new(DirectSink::connect(broker.clone(), &names, &group, transactional_id)?))
    })
}

/// The transaction that is open is gathered here; its commit is over when it has begun.
struct DirectSink {
    broker: Direct,
    producer: DirectProducer,
    clock: SystemClock,
    topics: OutTopicNames,
    inputs: [String; 4],
    changelogs: [String; 2],
    group: String,
    batches: Vec<RecordBatch>,
    /// What each batch's first record was written for.
    tags: Vec<Tag>,
    /// The batch of each partition that takes more records, by topic.
    filling: HashMap<String, BTreeMap<i32, usize>>,
    news: Option<Committing>,
}

impl DirectSink {
    fn connect(broker: Direct, names: &Names, group: &str, transactional_id: &str) -> Result<Self, LogError> {
        let make = |number: usize| {
            let id = format!("{transactional_id}-{number}");
            broker.producer(&id, TRANSACTION_TIMEOUT_MS).map_err(|refused| log_error(&refused))
        };
        for number in 1..PRODUCERS {
            make(number)?;
        }
        let producer = make(0)?;
        Ok(Self {
            broker,
            producer,
            clock: SystemClock::default(),
            topics: OutTopicNames::new(names),
            inputs: input_topics(names),
            changelogs: [names.changelog().to_owned(), names.changelog_expiring().to_owned()],
            group: group.to_owned(),
            batches: Vec::new(),
            tags: Vec::new(),
            filling: HashMap::new(),
            news: None,
        })
    }

    /// Commits what has been gathered, as the member of the group that is meant by this id and generation.
    fn commit(&mut self, offsets: &[(i32, InTopic, i64)], member: &str, generation: i32) {
        let offsets: Vec<_> = offsets
            .iter()
            .map(|(partition, topic, offset)| (self.inputs[*topic as usize].as_str(), *partition, *offset))
            .collect();
        let member = acteon_broker::Member { group: &self.group, id: member, generation };
        let committed = match self.producer.commit(&self.batches, &offsets, member) {
            Ok(firsts) => Ok(self.ends(&firsts)),
            Err(refused) => Err(self.failed(&refused)),
        };
        self.clear();
        self.news = Some(Committing::Done(committed));
    }

    fn clear(&mut self) {
        self.batches.clear();
        self.tags.clear();
        self.filling.values_mut().for_each(BTreeMap::clear);
    }

    /// Where the changelogs of each task end now.
    fn ends(&self, firsts: &[i64]) -> Vec<(i32, ChangelogOffsets)> {
        let mut ends: BTreeMap<i32, ChangelogOffsets> = BTreeMap::new();
        for (batch, first) in self.batches.iter().zip(firsts) {
            let end = first + i64::from(batch.count());
            let of = if batch.topic() == self.changelogs[0] {
                ChangelogOffsets { compacted: end, expiring: 0 }
            } else if batch.topic() == self.changelogs[1] {
                ChangelogOffsets { compacted: 0, expiring: end }
            } else {
                continue;
            };
            let known = ends.entry(batch.partition()).or_default();
            *known = known.max(of);
        }
        ends.into_iter().collect()
    }

    fn failed(&self, refused: &Refused) -> CommitError {
        let input = refused.batch.and_then(|batch| match self.tags.get(batch)? {
            Tag::Input(number) => Some((*number, refused.to_string())),
            Tag::Changelog => None,
        });
        CommitError { error: log_error(refused), refused_input: input }
    }
}

fn log_error(refused: &Refused) -> LogError {
    if refused.is_fenced() { LogError::Fenced(refused.to_string()) } else { LogError::Retriable(refused.to_string()) }
}

impl Sink<Member> for DirectSink {
    fn begin(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    fn send(&mut self, record: &OutRecord<'_>, tag: Tag) -> Result<(), SendError> {
        let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        if bytes > MAX_RECORD_BYTES {
            return Err(SendError::TooLarge(format!("{bytes} bytes, with a limit of {MAX_RECORD_BYTES}")));
        }
        let topic = self.topics.of(record.topic);
        let partition = record.partition.unwrap_or_else(|| {
            partition_of(record.key.unwrap_or_default(), self.broker.partitions(topic).unwrap_or(1))
        });
        let filling = self.filling.get(topic).and_then(|filling| filling.get(&partition).copied());
        let at = match filling {
            Some(at) if self.batches[at].bytes() + bytes <= BATCH_BYTES => at,
            _ => {
                self.batches.push(RecordBatch::new(topic, partition, self.clock.wall()));
                self.tags.push(tag);
                let at = self.batches.len() - 1;
                self.filling.entry(topic.to_owned()).or_default().insert(partition, at);
                at
            }
        };
        self.batches[at].push(record.key, record.value, record.headers);
        Ok(())
    }

    fn start_commit(&mut self, offsets: &[(i32, InTopic, i64)], group: Member) -> Result<(), LogError> {
        self.commit(offsets, group.id(), group.generation());
        Ok(())
    }

    fn poll_commit(&mut self, _wait: Duration) -> Committing {
        self.news.take().unwrap_or_else(|| {
            let error = LogError::Retriable("no commit is under way".to_owned());
            Committing::Done(Err(CommitError { error, refused_input: None }))
        })
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.clear();
        Ok(())
    }

    fn is_worn(&self) -> bool {
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use acteon_broker::{Broker, Config};
    use acteon_runtime::OutTopic;
    use acteon_topology::{Follower, From, KafkaConfig, Next, Settings, Topology};
    use rdkafka::message::Message as _;
    use tempfile::TempDir;

    const TENANT: &[u8] = b"shop:berlin";
    /// Looks for a record, and how long each lasts: far more than a topic takes to be read.
    const LOOKS: usize = 1_000;
    const LOOK: Duration = Duration::from_millis(50);

    struct Stage {
        kafka: KafkaConfig,
        names: Names,
        broker: Broker,
        _dir: TempDir,
    }

    impl Stage {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let broker = Broker::start(Config::new(dir.path())).unwrap();
            let kafka = KafkaConfig::new(&broker.bootstrap());
            let settings =
                Settings { providers: vec!["email".to_owned()], replication_factor: 1, ..Settings::new("acteon") };
            let wanted = Topology::of(&settings).unwrap();
            let actual = acteon_topology::read_actual(&kafka, []).unwrap();
            acteon_topology::apply(&kafka, &acteon_topology::plan(&wanted, &actual)).unwrap();
            Self { kafka, names: Names::new(&settings.prefix).unwrap(), broker, _dir: dir }
        }

        fn sink(&self) -> DirectSink {
            DirectSink::connect(self.broker.direct(), &self.names, "g", "tx").unwrap()
        }

        /// The values of a topic with the partition of each, as committed.
        fn read(&self, topic: &str) -> Vec<(i32, usize)> {
            let mut follower = Follower::start(&self.kafka, topic, From::Beginning).unwrap();
            let mut found = Vec::new();
            for _ in 0..LOOKS {
                match follower.next(LOOK).unwrap() {
                    Next::Record(record) => found.push((record.partition(), record.payload().map_or(0, <[u8]>::len))),
                    Next::End => return found,
                    Next::Nothing => {}
                }
            }
            panic!("no end of {topic}");
        }
    }

    fn record<'a>(topic: OutTopic<'a>, partition: Option<i32>, value: &'a [u8]) -> OutRecord<'a> {
        OutRecord { topic, partition, key: Some(TENANT), value: Some(value), headers: &[] }
    }

    fn done(sink: &mut DirectSink) -> Result<Vec<(i32, ChangelogOffsets)>, CommitError> {
        // For a group without members.
        sink.commit(&[(3, InTopic::Actions, 7)], "", -1);
        let Committing::Done(done) = sink.poll_commit(Duration::ZERO) else { panic!("it is over at once") };
        let Committing::Done(Err(_)) = sink.poll_commit(Duration::ZERO) else { panic!("it is told once") };
        done
    }

    #[test]
    fn a_transaction_goes_where_the_network_would_take_it() {
        let stage = Stage::new();
        let mut sink = stage.sink();
        sink.begin().unwrap();
        for (topic, partition) in [
            (OutTopic::Outcomes, Some(3)),
            (OutTopic::Dispatch("email"), None),
            (OutTopic::Changelog, Some(3)),
            (OutTopic::Changelog, Some(3)),
            (OutTopic::Changelog, Some(4)),
            (OutTopic::ChangelogExpiring, Some(3)),
        ] {
            sink.send(&record(topic, partition, b"v"), Tag::Changelog).unwrap();
        }
        let offsets = |compacted, expiring| ChangelogOffsets { compacted, expiring };
        assert_eq!(done(&mut sink).unwrap(), [(3, offsets(2, 1)), (4, offsets(1, 0))]);
        assert_eq!(stage.read(stage.names.outcomes()), [(3, 1)]);
        let of_tenant = partition_of(TENANT, stage.broker.direct().partitions(stage.names.actions()).unwrap());
        assert_eq!(stage.read(&stage.names.dispatch("email")), [(of_tenant, 1)]);
        sink.send(&record(OutTopic::Changelog, Some(3), b"v"), Tag::Changelog).unwrap();
        assert_eq!(done(&mut sink).unwrap(), [(3, offsets(4, 0))], "behind the last one and its marker");
    }

    #[test]
    fn what_was_aborted_is_not_written_with_the_next_transaction() {
        let stage = Stage::new();
        let mut sink = stage.sink();
        sink.send(&record(OutTopic::Audit, Some(0), b"aborted"), Tag::Input(0)).unwrap();
        sink.abort().unwrap();
        sink.send(&record(OutTopic::Audit, Some(0), b"next"), Tag::Input(0)).unwrap();
        done(&mut sink).unwrap();
        assert_eq!(stage.read(stage.names.audit()), [(0, 4)]);
    }

    #[test]
    fn much_is_written_in_several_batches_and_too_much_is_refused() {
        let stage = Stage::new();
        let mut sink = stage.sink();
        let large = vec![b'x'; BATCH_BYTES - 1_000];
        (0..3).for_each(|_| sink.send(&record(OutTopic::Audit, Some(0), &large), Tag::Input(0)).unwrap());
        (0..3).for_each(|_| sink.send(&record(OutTopic::Audit, Some(0), b"v"), Tag::Input(1)).unwrap());
        assert_eq!(sink.batches.len(), 3);
        let too_large = vec![b'x'; MAX_RECORD_BYTES + 1];
        let refused = sink.send(&record(OutTopic::Audit, Some(0), &too_large), Tag::Input(2)).unwrap_err();
        assert!(matches!(&refused, SendError::TooLarge(_)), "{refused}");
        done(&mut sink).unwrap();
        assert_eq!(stage.read(stage.names.audit()).len(), 6, "the transaction was as it was");
    }

    #[test]
    fn the_input_whose_effect_is_refused_is_named() {
        let stage = Stage::new();
        let mut sink = stage.sink();
        sink.send(&record(OutTopic::Outcomes, Some(0), b"v"), Tag::Input(4)).unwrap();
        sink.send(&record(OutTopic::Dispatch("gone"), None, b"v"), Tag::Input(5)).unwrap();
        let error = done(&mut sink).unwrap_err();
        assert_eq!(error.refused_input.map(|(number, _)| number), Some(5));
        assert!(matches!(error.error, LogError::Retriable(_)));
        assert!(stage.read(stage.names.outcomes()).is_empty());
    }

    #[test]
    fn another_worker_with_the_same_id_fences_this_one() {
        let stage = Stage::new();
        let mut first = stage.sink();
        let mut second = stage.sink();
        assert!(matches!(done(&mut first).unwrap_err().error, LogError::Fenced(_)));
        done(&mut second).unwrap();
    }
}

//! The broker under the processes.

use super::fleet::SESSION_MS;
use acteon_broker::{Broker, Config};
use acteon_testkit::kafka::Kafka;
use tempfile::TempDir;

pub(crate) enum Cluster {
    Kafka(Box<Kafka>),
    Embedded {
        /// Taken out only while it is restarted.
        broker: Option<Broker>,
        config: Box<Config>,
        bootstrap: String,
        _dir: TempDir,
    },
}

impl Cluster {
    pub(crate) fn kafka() -> Self {
        let session = SESSION_MS.to_string();
        let properties = [
            ("group.min.session.timeout.ms", session.as_str()),
            // How soon a dead producer's transaction is found to be over its time.
            ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000"),
        ];
        Self::Kafka(Box::new(Kafka::start_with(&properties).unwrap()))
    }

    pub(crate) fn embedded() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new(dir.path().join("broker"));
        let broker = Broker::start(config.clone()).unwrap();
        let bootstrap = broker.bootstrap();
        config.port = bootstrap.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap();
        Self::Embedded { broker: Some(broker), config: Box::new(config), bootstrap, _dir: dir }
    }

    pub(crate) fn bootstrap(&self) -> &str {
        match self {
            Self::Kafka(kafka) => kafka.bootstrap(),
            Self::Embedded { bootstrap, .. } => bootstrap,
        }
    }

    pub(crate) fn restart(&mut self) {
        match self {
            Self::Kafka(kafka) => kafka.restart().unwrap(),
            Self::Embedded { broker, config, .. } => {
                broker.take().unwrap().shutdown();
                *broker = Some(Broker::start((**config).clone()).unwrap());
            }
        }
    }
}

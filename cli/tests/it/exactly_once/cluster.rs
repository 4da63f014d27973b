//! The broker under the processes.

use super::fleet::{DEV, Fleet, SESSION_MS};
use acteon_broker::{Broker, Config};
use acteon_testkit::free_port;
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
    /// The broker inside an `acteon dev`, which is one of the processes.
    Dev {
        port: u16,
        bootstrap: String,
        /// On that one's data, once it has ended.
        broker: Option<Broker>,
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

    pub(crate) fn dev() -> Self {
        let port = free_port().unwrap();
        Self::Dev { port, bootstrap: format!("127.0.0.1:{port}"), broker: None }
    }

    pub(crate) fn bootstrap(&self) -> &str {
        match self {
            Self::Kafka(kafka) => kafka.bootstrap(),
            Self::Embedded { bootstrap, .. } | Self::Dev { bootstrap, .. } => bootstrap,
        }
    }

    /// Where the broker that is part of an `acteon dev` shall listen.
    pub(crate) fn dev_port(&self) -> Option<u16> {
        match self {
            Self::Dev { port, .. } => Some(*port),
            Self::Kafka(_) | Self::Embedded { .. } => None,
        }
    }

    /// Restarts the broker gracefully, with the process that it is part of, if it is.
    pub(crate) fn restart(&mut self, fleet: &mut Fleet) {
        match self {
            Self::Dev { .. } => fleet.reload(DEV),
            Self::Kafka(kafka) => kafka.restart().unwrap(),
            Self::Embedded { broker, config, .. } => {
                broker.take().unwrap().shutdown();
                *broker = Some(Broker::start((**config).clone()).unwrap());
            }
        }
    }

    /// Once all processes have ended: what they left is read from a broker of its own, if theirs went with them.
    pub(crate) fn take_over(&mut self, fleet: &Fleet) {
        if let Self::Dev { port, broker, .. } = self {
            let config = Config { port: *port, ..Config::new(fleet.dev_data().join("broker")) };
            *broker = Some(Broker::start(config).unwrap());
        }
    }
}

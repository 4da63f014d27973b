use crate::names::Names;
use crate::topic::{Party, Role, TopicSpec};
use crate::topology::Topology;
use std::collections::BTreeSet;
use std::fmt::Write as _;

impl Topology {
    /// A Mermaid flowchart of topics, processor, stores and connectors.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        for (party, label) in [
            (Party::Applications, "applications"),
            (Party::Gateway, "gateway"),
            (Party::Cli, "acteon CLI"),
            (Party::AuditSinks, "audit sinks"),
        ] {
            line(&mut text, &format!("{}([{label}])", id(party)));
        }
        line(&mut text, &format!("processor[processor: {} tasks]", self.partitions));
        line(&mut text, &format!("stores[(RocksDB{})]", self.store_list()));
        line(&mut text, "processor <--> stores");
        if self.providers.is_empty() {
            line(&mut text, "connectors[connectors]");
        }
        for (i, provider) in self.providers.iter().enumerate() {
            line(&mut text, &format!("connector{i}[\"connector {provider}\"]"));
        }
        for (i, topic) in self.topics.iter().enumerate() {
            line(&mut text, &format!("topic{i}[/\"{} ({})\"/]", topic.name, topic.partitions));
        }
        for (i, topic) in self.topics.iter().enumerate() {
            for node in self.nodes(topic, topic.written_by) {
                line(&mut text, &format!("{node} --> topic{i}"));
            }
            for node in self.nodes(topic, topic.read_by) {
                line(&mut text, &format!("topic{i} --> {node}"));
            }
        }
        text
    }

    fn store_list(&self) -> String {
        let list = |expires| {
            let names = self.stores.iter().filter(|store| store.expires == expires).map(|store| store.name.as_str());
            names.collect::<Vec<_>>().join(", ")
        };
        let (lasting, expiring) = (list(false), list(true));
        let mut text = String::new();
        for (kind, names) in [("lasting", lasting), ("expiring", expiring)] {
            if !names.is_empty() {
                let _ = write!(text, "<br/>{kind}: {names}");
            }
        }
        text
    }

    /// The nodes that stand for some parties of a topic; each provider's connector is one of its own.
    fn nodes(&self, topic: &TopicSpec, parties: &[Party]) -> BTreeSet<String> {
        let mut nodes = BTreeSet::new();
        for party in parties {
            if *party != Party::Connectors || self.providers.is_empty() {
                nodes.insert(id(*party).to_owned());
                continue;
            }
            for (i, provider) in self.providers.iter().enumerate() {
                if topic.role != Role::Dispatch || self.provider_of(topic) == Some(provider) {
                    nodes.insert(format!("connector{i}"));
                }
            }
        }
        nodes
    }

    fn provider_of<'t>(&self, topic: &'t TopicSpec) -> Option<&'t str> {
        // The prefix was checked when the topology was made.
        Names::new(&self.prefix).ok()?.provider_of(&topic.name)
    }
}

fn line(text: &mut String, content: &str) {
    text.push_str("    ");
    text.push_str(content);
    text.push('\n');
}

fn id(party: Party) -> &'static str {
    match party {
        Party::Applications => "applications",
        Party::Gateway => "gateway",
        Party::Cli => "cli",
        Party::Processor => "processor",
        Party::Connectors => "connectors",
        Party::AuditSinks => "sinks",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::topology::{Settings, Store, Topology};

    #[test]
    fn every_topic_stands_between_its_writers_and_readers() {
        let stores =
            vec![Store { name: "clock".into(), expires: false }, Store { name: "dedup".into(), expires: true }];
        let providers = vec!["email".into(), "slack".into()];
        let text = Topology::of(&Settings { providers, stores, ..Settings::new("acteon") }).unwrap().mermaid();
        for wanted in [
            "flowchart LR\n",
            "    processor[processor: 8 tasks]\n",
            "    stores[(RocksDB<br/>lasting: clock<br/>expiring: dedup)]\n",
            "    topic0[/\"acteon.actions (8)\"/]\n",
            "    applications --> topic0\n",
            "    topic0 --> processor\n",
            "    topic11[/\"acteon.dispatch.email (8)\"/]\n",
            "    processor --> topic11\n",
            "    topic11 --> connector0\n",
            "    topic12 --> connector1\n",
            // Results, from every connector.
            "    connector0 --> topic3\n",
            "    connector1 --> topic3\n",
            "    connector1 --> topic10\n",
            "    topic10 --> cli\n",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
        assert!(!text.contains("topic11 --> connector1"), "{text}");
        assert!(!text.contains(" connectors"), "{text}");
    }

    #[test]
    fn a_topology_without_providers_is_drawn_too() {
        let text = Topology::of(&Settings::new("acteon")).unwrap().mermaid();
        assert!(text.contains("    connectors[connectors]\n"), "{text}");
        assert!(text.contains("    connectors --> topic3\n"), "{text}");
        assert!(text.contains("    stores[(RocksDB)]\n"), "{text}");
    }
}

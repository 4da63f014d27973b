use crate::support::root;
use saphyr_parser::{Event, Parser};
use std::fs;

/// All scalars of a YAML file, in order. Panics with the place of a syntax error.
fn scalars(text: &str) -> Vec<String> {
    let mut scalars = Vec::new();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((Event::Scalar(value, ..), _)) => scalars.push(value.into_owned()),
            Ok(_) => {}
            Err(error) => panic!("docker-compose.yml: {error}"),
        }
    }
    scalars
}

#[test]
fn docker_compose_is_yaml_with_kafka_and_acteon() {
    let text = fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    let scalars = scalars(&text);
    for name in ["services", "kafka", "topology", "acteon", "service_healthy", "KAFKA_PROCESS_ROLES"] {
        assert!(scalars.iter().any(|scalar| scalar == name), "no `{name}`");
    }
    assert!(scalars.iter().any(|scalar| scalar.starts_with("apache/kafka:4.1")), "Kafka 4.1");
}

//! What route rules have beside their type: targets, weights, `continue`.

use super::Reader;
use super::fields::Fields;
use crate::diagnostic::Place;
use crate::limits;
use crate::rule::{Class, RouteTarget, RuleAction};
use crate::yaml::Node;

impl Reader<'_> {
    /// `target_provider`, or several `targets` with weights.
    pub(super) fn reroute(&mut self, fields: &Fields<'_>, what: &str) -> Option<RuleAction> {
        let Some(node) = fields.get("targets") else {
            let provider = self.required_string(fields, "target_provider", what)?;
            let place = fields.get("target_provider").map_or(fields.place, |node| node.place);
            return Some(RuleAction::Reroute { targets: vec![RouteTarget { provider, weight: 1, place }] });
        };
        if fields.get("target_provider").is_some() {
            self.error(node.place, "`targets` and `target_provider` side by side: leave one out");
            return None;
        }
        let items = self.items(node, "targets")?;
        if items.is_empty() || items.len() > limits::MAX_TARGETS {
            let message = format!("`targets` needs from 1 to {} providers, found {}", limits::MAX_TARGETS, items.len());
            self.error(node.place, message);
            return None;
        }
        let targets: Vec<RouteTarget> = items.iter().filter_map(|item| self.target(item)).collect();
        if targets.len() < items.len() {
            return None;
        }
        for (position, target) in targets.iter().enumerate() {
            if targets[..position].iter().any(|earlier| earlier.provider == target.provider) {
                self.error(target.place, format!("`targets` names `{}` twice: add the weights up", target.provider));
                return None;
            }
        }
        if targets.iter().all(|target| target.weight == 0) {
            self.error(node.place, "every weight in `targets` is 0: no provider could be chosen");
            return None;
        }
        Some(RuleAction::Reroute { targets })
    }

    fn target(&mut self, node: &Node) -> Option<RouteTarget> {
        let fields = self.fields(node, "a target", &["provider", "weight"])?;
        let provider = self.required_string(&fields, "provider", "a target");
        let weight = match self.required(&fields, "weight", "a target") {
            None => None,
            Some(node) => self.whole(node, "weight", 0..=limits::MAX_WEIGHT),
        };
        let place = fields.get("provider").map_or(node.place, |node| node.place);
        Some(RouteTarget { provider: provider?, weight: u32::try_from(weight?).ok()?, place })
    }

    /// A rule's `weight`. The outer `None` is an error.
    pub(super) fn weight(&mut self, fields: &Fields<'_>, class: Option<Class>) -> Option<Option<u32>> {
        let Some(node) = fields.get("weight") else { return Some(None) };
        let value = self.whole(node, "weight", 0..=limits::MAX_WEIGHT)?;
        self.for_routes(node.place, "weight", class)?;
        Some(u32::try_from(value).ok())
    }

    /// Whether the walk goes on: `continue`, beside the rule's `action` or in it.
    pub(super) fn continues(
        &mut self,
        beside: Option<&Node>,
        within: Option<&Node>,
        class: Option<Class>,
    ) -> Option<bool> {
        if let (Some(_), Some(within)) = (beside, within) {
            self.error(within.place, "`continue` is given twice, in the rule and in its action");
            return None;
        }
        let Some(node) = beside.or(within) else { return Some(false) };
        let value = self.boolean(node, "continue")?;
        self.for_routes(node.place, "continue", class)?;
        Some(value)
    }

    /// An error for a key that only route rules have.
    fn for_routes(&mut self, place: Place, key: &str, class: Option<Class>) -> Option<()> {
        if class.is_some_and(|class| class != Class::Route) {
            self.error(place, format!("`{key}` is for rules that route: `allow`, `reroute` and `chain`"));
            return None;
        }
        Some(())
    }
}

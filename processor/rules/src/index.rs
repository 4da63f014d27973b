//! Which rules can match at all: an index on namespace, tenant, action type and provider.
//!
//! For each of the four fields, each value that rules ask for has a bitset of the rules that ask
//! for it, and one more bitset has the rules that ask for none. The rules that can match an
//! action are the AND of four ORs, taken word by word while walking, so that a decision among a
//! thousand rules looks at sixteen words and then only at rules that are in play.

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::condition::{Condition, Operand};
use crate::operator::Test;
use crate::path::Target;
use crate::rule::Rule;
use crate::subject::Subject;

const BITS: usize = u64::BITS as usize;

/// The fields indexed.
const DIMENSIONS: usize = 4;
const PROVIDER: usize = 3;

/// A bitset that stores only the words between its first and last bit.
#[derive(Debug, Default, PartialEq)]
struct Bits {
    first: usize,
    words: Vec<u64>,
}

impl Bits {
    /// Sets a bit. Bits come in rising order, because rules do.
    fn push(&mut self, bit: usize) {
        let word = bit / BITS;
        if self.words.is_empty() {
            self.first = word;
        }
        self.words.resize(word + 1 - self.first, 0);
        if let Some(last) = self.words.last_mut() {
            *last |= 1 << (bit % BITS);
        }
    }

    fn word(&self, index: usize) -> u64 {
        index.checked_sub(self.first).and_then(|i| self.words.get(i)).copied().unwrap_or(0)
    }
}

/// One indexed field.
#[derive(Debug, Default)]
struct Dimension {
    /// Rules that can match only actions with this value.
    wanted: FxHashMap<Box<str>, Bits>,
    /// Enabled rules that can match whatever the value.
    free: Bits,
}

/// The index of a rule set.
#[derive(Debug, Default)]
pub(crate) struct Index {
    dimensions: [Dimension; DIMENSIONS],
    words: usize,
}

/// The rules that can match one action, given its provider at the moment.
pub(crate) struct Candidates<'i> {
    index: &'i Index,
    wanted: [Option<&'i Bits>; DIMENSIONS],
    word: usize,
    /// What is left of the current word.
    left: u64,
}

impl Index {
    /// Indexes the enabled rules of a list in evaluation order.
    pub(crate) fn new(rules: &[Rule]) -> Self {
        let mut index = Self { words: rules.len().div_ceil(BITS), ..Self::default() };
        for (bit, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.enabled) {
            let wanted = wanted_values(&rule.condition);
            for (dimension, wanted) in index.dimensions.iter_mut().zip(wanted) {
                match wanted {
                    None => dimension.free.push(bit),
                    Some(values) => {
                        for value in values {
                            dimension.wanted.entry(value.into()).or_default().push(bit);
                        }
                    }
                }
            }
        }
        index
    }

    /// The rules from `start` on that can match, in order.
    pub(crate) fn candidates(&self, subject: &Subject<'_>, start: usize) -> Candidates<'_> {
        let values: [&str; DIMENSIONS] = [subject.namespace, subject.tenant, subject.action_type, &subject.provider];
        let mut candidates = Candidates { index: self, wanted: [None; DIMENSIONS], word: 0, left: 0 };
        for ((wanted, dimension), value) in candidates.wanted.iter_mut().zip(&self.dimensions).zip(values) {
            *wanted = dimension.wanted.get(value);
        }
        candidates.seek(start);
        candidates
    }
}

impl Candidates<'_> {
    /// Puts the rules behind rule `after` right when a reroute has changed the provider.
    pub(crate) fn reroute(&mut self, provider: &str, after: usize) {
        self.wanted[PROVIDER] = self.index.dimensions[PROVIDER].wanted.get(provider);
        self.seek(after + 1);
    }

    /// Whether a rule is among those that can match, wherever the iteration stands.
    pub(crate) fn may_match(&self, position: usize) -> bool {
        self.load(position / BITS) & (1 << (position % BITS)) != 0
    }

    fn seek(&mut self, start: usize) {
        self.word = start / BITS;
        self.left = self.load(self.word) & (u64::MAX << (start % BITS));
    }

    fn load(&self, word: usize) -> u64 {
        self.index.dimensions.iter().zip(self.wanted).fold(u64::MAX, |bits, (dimension, wanted)| {
            bits & (dimension.free.word(word) | wanted.map_or(0, |wanted| wanted.word(word)))
        })
    }
}

impl Iterator for Candidates<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.left == 0 {
            self.word += 1;
            if self.word >= self.index.words {
                return None;
            }
            self.left = self.load(self.word);
        }
        let bit = self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        Some(self.word * BITS + bit)
    }
}

/// For each indexed field, the values outside which the condition cannot hold; `None` if there
/// are no such values.
pub(crate) fn wanted_values(condition: &Condition) -> [Option<Vec<&str>>; DIMENSIONS] {
    let mut wanted: [Option<Vec<&str>>; DIMENSIONS] = Default::default();
    for part in condition.conjuncts() {
        // A predicate that counts is reached only by actions that pass those before it; what
        // stands after it must not keep them away.
        if part.counts() {
            break;
        }
        let Condition::Predicate(predicate) = part else { continue };
        let Operand::Field(path) = &predicate.operand else { continue };
        let dimension = match path.target() {
            Target::Namespace => 0,
            Target::Tenant => 1,
            Target::ActionType => 2,
            Target::Provider => PROVIDER,
            _ => continue,
        };
        let members = match &predicate.test {
            Test::Eq(value) => std::slice::from_ref(value),
            Test::InList(list) => list.members(),
            _ => continue,
        };
        // These fields are always strings: other members of the list can match nothing.
        let mut values: Vec<&str> = members.iter().filter_map(Value::as_str).collect();
        values.sort_unstable();
        values.dedup();
        // Of several conjuncts on one field, the first serves: the condition checks the rest.
        wanted[dimension].get_or_insert(values);
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_store_only_their_span() {
        let mut bits = Bits::default();
        for bit in [130, 131, 200] {
            bits.push(bit);
        }
        assert_eq!((bits.first, bits.words.len()), (2, 2));
        assert_eq!(bits.word(2), 0b1100);
        assert_eq!(bits.word(3), 1 << 8);
        assert_eq!((bits.word(0), bits.word(1), bits.word(4)), (0, 0, 0));
    }
}

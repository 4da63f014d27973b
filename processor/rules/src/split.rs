//! Weighted draws: which route, or which target of a route, an action takes.
//!
//! A draw depends on the action's id, the split's own name and the weights, and on nothing else:
//! the same action takes the same way in every process, on every machine and in every version.
//! Splits of different names draw independently. An action that one share has drawn stays with
//! it while that share grows and those written before it keep their size.

/// FNV-1a, 64 bits: the offset basis.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
/// FNV-1a, 64 bits: the prime.
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Draws one of the weights for an action: its position, or `None` where all are 0.
pub(crate) fn draw(split: &str, action_id: &str, weights: impl Iterator<Item = u32> + Clone) -> Option<usize> {
    let total: u64 = weights.clone().map(u64::from).sum();
    // The high bits of the product are the hash scaled to the total, without a modulo's bias.
    let scaled = u128::from(hash(split, action_id)) * u128::from(total);
    let mut point = u64::try_from(scaled >> u64::BITS).ok().filter(|point| *point < total)?;
    for (position, weight) in weights.enumerate() {
        match point.checked_sub(weight.into()) {
            Some(rest) => point = rest,
            None => return Some(position),
        }
    }
    None
}

/// FNV-1a over the split's name, a zero byte and the id, mixed by the finalizer of MurmurHash3,
/// because FNV's high bits hardly depend on the last bytes.
fn hash(split: &str, action_id: &str) -> u64 {
    let bytes = split.bytes().chain([0]).chain(action_id.bytes());
    let mut hash = bytes.fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(split: &str, weights: &[u32]) -> Vec<usize> {
        let mut counts = vec![0; weights.len()];
        for n in 0..10_000 {
            if let Some(position) = draw(split, &format!("action-{n}"), weights.iter().copied()) {
                counts[position] += 1;
            }
        }
        counts
    }

    #[test]
    fn draws_in_proportion_to_the_weights() {
        for weights in [&[1, 1][..], &[90, 10], &[1, 0, 3], &[1_000_000, 1_000_000, 2_000_000]] {
            let total: u32 = weights.iter().sum();
            for (count, weight) in counts("s", weights).into_iter().zip(weights) {
                let expected = 10_000.0 * f64::from(*weight) / f64::from(total);
                assert!((count as f64 - expected).abs() < 200.0, "{weights:?}: {count}, expected {expected}");
                assert!(*weight > 0 || count == 0, "a weight of 0 is never drawn");
            }
        }
        assert_eq!(draw("s", "a", [0, 0].into_iter()), None);
        assert_eq!(draw("s", "a", [].into_iter()), None);
    }

    #[test]
    fn splits_of_different_names_draw_independently() {
        let both = (0..10_000).filter(|n| {
            let id = n.to_string();
            let half = |split| draw(split, &id, [1, 1].into_iter());
            half("a") == half("b")
        });
        let both = both.count();
        assert!((4_800..5_200).contains(&both), "{both}");
    }

    #[test]
    fn who_has_drawn_a_growing_first_share_keeps_it() {
        for n in 0..1_000 {
            let id = n.to_string();
            if draw("s", &id, [10, 90].into_iter()) == Some(0) {
                assert_eq!(draw("s", &id, [20, 80].into_iter()), Some(0));
            }
        }
    }

    /// Other values would send held and repeated actions another way after an upgrade.
    #[test]
    fn the_hash_never_changes() {
        let known = [("", ""), ("s", "a"), ("priority 10", "0198c5a0-0000-7000-8000-000000000001")];
        assert_eq!(
            known.map(|(split, id)| hash(split, id)),
            [0xb903_4ad3_7056_f5fb, 0xf9fa_2469_cf5c_8687, 0x50db_4ee0_705c_a107]
        );
    }
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

const PACE: Pace = Pace { max_count: 10, window_ms: 10_000, max_delay_ms: 3_600_000, max_queue: 1_000 };

fn stored(queue: &Queue, now: i64) -> Queue {
    Queue::decode(Some(&queue.encode(&PACE)), now).unwrap()
}

fn no_window_is_too_full(released: &[i64], pace: &Pace) {
    let limit = usize::try_from(pace.max_count).unwrap();
    for (i, at) in released.iter().enumerate().skip(limit) {
        let gap = u64::try_from(at - released[i - limit]).unwrap();
        assert!(gap >= pace.window_ms, "{} and {at} are {gap} ms apart", released[i - limit]);
    }
}

#[test]
fn a_burst_leaves_ten_every_ten_seconds() {
    let mut queue = Queue::default();
    let turns: Vec<Admission> = (0..100).map(|_| queue.admit(5_000, &PACE)).collect();
    for (i, turn) in turns.into_iter().enumerate() {
        let expected =
            if i < 10 { Admission::Now } else { Admission::At(5_000 + 10_000 * i64::try_from(i / 10).unwrap()) };
        assert_eq!(turn, expected, "{i}");
    }
    assert_eq!(stored(&queue, 5_000), queue);
    assert_eq!(queue.runs.len(), 10);
}

#[test]
fn what_comes_late_in_the_day_passes_at_once_again() {
    let mut queue = Queue::default();
    for _ in 0..15 {
        queue.admit(0, &PACE);
    }
    for place in 10..15 {
        assert_eq!(queue.leave(place, 10_000, false, &PACE), None);
    }
    assert_eq!(queue.admit(10_000, &PACE), Admission::Now);
    assert_eq!(queue.admit(60_000, &PACE), Admission::Now);
    assert_eq!(queue.runs, [Run { at: 60_000, count: 1 }], "what is over is forgotten");
}

#[test]
fn a_full_queue_and_a_long_wait_are_refused_and_say_when_there_is_room() {
    let small = Pace { max_queue: 3, ..PACE };
    let mut queue = Queue::default();
    let mut turns: Vec<Admission> = (0..14).map(|_| queue.admit(0, &small)).collect();
    assert_eq!(turns.pop(), Some(Admission::Full(10_000)));
    assert_eq!(queue.leave(10, 10_000, false, &small), None);
    assert_eq!(queue.admit(10_000, &small), Admission::At(10_000), "in order, behind those that leave now");

    let hasty = Pace { max_count: 1, max_delay_ms: 15_000, ..PACE };
    let mut queue = Queue::default();
    let turns: Vec<Admission> = (0..3).map(|_| queue.admit(0, &hasty)).collect();
    assert_eq!(turns, [Admission::Now, Admission::At(10_000), Admission::Full(5_000)]);
    assert_eq!(queue.admit(4_999, &hasty), Admission::Full(1));
    assert_eq!(queue.admit(5_000, &hasty), Admission::At(20_000));
}

#[test]
fn after_an_outage_what_waited_is_paced_anew_and_newcomers_stay_behind() {
    let mut queue = Queue::default();
    for _ in 0..35 {
        queue.admit(0, &PACE);
    }
    // Down from 5 s to 100 s: 25 have waited beyond their time.
    assert_eq!(queue.admit(100_000, &PACE), Admission::At(120_000), "behind 10 at 100 s, 10 at 110 s and 5 at 120 s");
    let mut pending: Vec<(i64, u64, bool)> = (10..36).map(|place| (100_000, place, false)).collect();
    let mut released = vec![0; 10];
    let mut order = Vec::new();
    while !pending.is_empty() {
        pending.sort_unstable();
        let (now, place, gave_way) = pending.remove(0);
        queue = stored(&queue, now);
        match queue.leave(place, now, gave_way, &PACE) {
            // Each timer is 7 ms late.
            Some(wait) => pending.push((wait.until + 7, place, wait.gives_way)),
            None => {
                released.push(now);
                order.push(place);
            }
        }
    }
    assert_eq!(order, (10..36).collect::<Vec<_>>());
    no_window_is_too_full(&released, &PACE);
    assert!(released.last().unwrap() < &120_100, "{released:?}");
}

#[test]
fn whatever_comes_when_no_window_is_too_full_and_order_is_kept() {
    // A fixed sequence of uneven steps: a linear congruential generator.
    let (mut now, mut seed) = (1_700_000_000_000_i64, 7_u64);
    let (mut queue, mut released, mut held) = (Queue::default(), Vec::new(), Vec::<(i64, u64, bool)>::new());
    let mut last_place = 0;
    for _ in 0..5_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        now += i64::try_from((seed >> 33) % 1_900).unwrap();
        while let Some(first) = held.iter().copied().min().filter(|first| first.0 <= now) {
            held.retain(|other| *other != first);
            match queue.leave(first.1, first.0, first.2, &PACE) {
                Some(wait) => held.push((wait.until, first.1, wait.gives_way)),
                None => {
                    released.push(first.0);
                    assert!(first.1 > last_place);
                    last_place = first.1;
                }
            }
        }
        match queue.admit(now, &PACE) {
            Admission::Now => released.push(now),
            Admission::At(at) => held.push((at, queue.last().unwrap().0, false)),
            Admission::Full(wait) => assert!(wait > 0),
        }
        assert_eq!(stored(&queue, now), queue);
    }
    no_window_is_too_full(&released, &PACE);
    assert!(released.len() > 4_000, "not much too slow: {}", released.len());
}

#[test]
fn a_place_that_was_called_off_holds_nobody_up_for_ever() {
    let one = Pace { max_count: 1, ..PACE };
    let mut queue = Queue::default();
    for _ in 0..4 {
        queue.admit(0, &one);
    }
    assert_eq!(queue.leave(1, 10_000, false, &one), None);
    queue.give_up(2);
    assert_eq!(stored(&queue, 10_000), queue);
    assert_eq!(queue.leave(3, 30_000, false, &one), None);
    assert_eq!(queue.waiting(), 0);
    assert_eq!(queue.admit(40_000, &one), Admission::Now);

    let mut queue = Queue::default();
    for _ in 0..4 {
        queue.admit(0, &one);
    }
    queue.give_up(3);
    assert_eq!(queue.last(), Some((2, 20_000)));
    queue.give_up(1);
    assert_eq!(queue.waiting(), 1);
    queue.give_up(2);
    assert_eq!((queue.waiting(), queue.admit(20_000, &one)), (0, Admission::Now));
}

#[test]
fn those_planned_anew_leave_in_order_though_their_timers_fire_in_another() {
    let two = Pace { max_count: 2, window_ms: 4_000, ..PACE };
    let mut queue = Queue::default();
    for at in [0, 500, 510, 520, 530, 540] {
        queue.admit(at, &two);
    }
    let way = |until| Some(Wait { until, gives_way: true });
    let later = |until| Some(Wait { until, gives_way: false });
    // The first two leave late, which moves the others, whose timers were for 8.0 and 8.5 s.
    assert_eq!(queue.leave(2, 5_000, false, &two), None);
    assert_eq!(queue.leave(3, 5_000, false, &two), None);
    assert_eq!(queue.leave(4, 8_200, false, &two), later(9_000));
    assert_eq!(queue.leave(5, 9_100, false, &two), way(9_101), "its timer comes before that of the place before it");
    assert_eq!(stored(&queue, 9_100), queue);
    assert_eq!(queue.leave(4, 9_100, false, &two), None);
    assert_eq!(queue.leave(5, 9_101, true, &two), None);

    let mut queue = Queue::default();
    (0..5).for_each(|_| _ = queue.admit(0, &two));
    assert_eq!(queue.leave(4, 9_000, false, &two), way(9_001), "nobody knows what has become of places 2 and 3");
    assert_eq!(queue.leave(4, 9_001, true, &two), None);
    assert_eq!(queue.waiting(), 0);
}

#[test]
fn a_reset_forgets_what_has_left_and_keeps_what_waits() {
    let mut queue = Queue::default();
    for _ in 0..12 {
        queue.admit(0, &PACE);
    }
    queue.reset();
    assert_eq!(queue.runs, [Run { at: 10_000, count: 2 }]);
    assert_eq!(queue.admit(1_000, &PACE), Admission::At(10_000));
    assert_eq!(queue.leave(10, 10_000, false, &PACE), None);
}

#[test]
fn bad_values_are_refused_and_old_ones_forgotten() {
    let mut queue = Queue::default();
    queue.admit(0, &PACE);
    let mut bytes = queue.encode(&PACE);
    assert_eq!(value::expires_at(&bytes), Some(10_000 + i64::try_from(GRACE_MS).unwrap()));
    assert_eq!(Queue::decode(Some(&bytes), i64::MAX).unwrap(), Queue::default());
    bytes.pop();
    assert!(Queue::decode(Some(&bytes), 0).is_err());
    assert!(Queue::decode(Some(b"nonsense"), 0).is_err());
}

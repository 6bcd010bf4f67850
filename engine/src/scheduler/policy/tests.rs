//! The policy's decisions on plain data, alone and in a decoder that computes nothing.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use proptest::prelude::*;

use super::cache_shape::{CacheLimits, CacheShape};
use super::shares::{BatchSpace, Share};
use super::slots::Move;
use super::view::{Active, Group, View};
use super::{Admission, Limits, Policy, Request};
use crate::call::ClientId;

const LIMITS: Limits = Limits {
    cache: CacheLimits { max_sequences: 8, total_tokens: 4096, sequence_tokens: 1024 },
    batch: BatchSpace { tokens: 64, logits: 16 },
    movable_tokens: 300,
};

type Key = Vec<(String, u32)>;

fn key(name: char) -> Key {
    vec![(name.to_string(), 1)]
}

/// A request for `answer_tokens` tokens, or, if there are none, for the score of the prompt's second half.
#[derive(Debug, Clone)]
struct Asked {
    client: u64,
    group: Key,
    prompt_tokens: usize,
    answer_tokens: usize,
}

impl Request for Asked {
    fn client(&self) -> ClientId {
        ClientId(self.client)
    }

    fn group(&self) -> Group<'_> {
        &self.group
    }

    fn most_tokens(&self, limit: usize) -> usize {
        (self.prompt_tokens + self.answer_tokens).min(limit)
    }
}

fn asked(group: char, prompt_tokens: usize) -> Asked {
    Asked { client: 1, group: key(group), prompt_tokens, answer_tokens: 8 }
}

fn policy(requests: impl IntoIterator<Item = Asked>) -> Policy<Asked> {
    let mut policy = Policy::new(LIMITS);
    requests.into_iter().for_each(|request| policy.enqueue(request));
    policy
}

/// A prompt of 10 tokens, none of which is cached.
fn prompt(slot: usize, admission_number: u64, group: Group<'_>) -> Active<'_> {
    Active { slot, admission_number, group, cached: 0, pending: 10, most_tokens: 20, logits: 9..10 }
}

fn answer(slot: usize, group: Group<'_>) -> Active<'_> {
    Active { cached: 10, pending: 1, logits: 10..11, ..prompt(slot, 1, group) }
}

fn view<'a>(slots: u32, active: impl IntoIterator<Item = Active<'a>>) -> View<'a> {
    View { shape: Some(CacheShape { slots, slot_tokens: 256 }), active: active.into_iter().collect() }
}

fn shares(shares: &[(usize, usize)]) -> Vec<Share> {
    shares.iter().map(|&(index, count)| Share { index, count }).collect()
}

#[test]
fn a_request_gets_a_slot_that_is_free_and_holds_it() {
    let (a, b) = (key('a'), key('b'));
    let active = || [answer(0, &a), answer(3, &b)];
    assert_eq!(policy([asked('b', 248)]).admit(&view(4, active()), None), Some(Admission::Slot(2)));
    let longer = Admission::Reshape(CacheShape { slots: 4, slot_tokens: 512 });
    assert_eq!(policy([asked('b', 249)]).admit(&view(4, active()), None), Some(longer));
    assert_eq!(policy([]).admit(&view(4, active()), None), None);
}

#[test]
fn a_cache_is_made_for_the_first_request_and_made_larger_for_a_burst() {
    let none = View { shape: None, active: Vec::new() };
    let shape = |slots| Some(Admission::Reshape(CacheShape { slots, slot_tokens: 256 }));
    assert_eq!(policy([asked('a', 10)]).admit(&none, None), shape(4));
    let a = key('a');
    let full = |slots| view(slots, (0..slots as usize).map(|slot| answer(slot, &a)));
    assert_eq!(policy([asked('a', 10)]).admit(&full(4), None), shape(8));
    assert_eq!(policy([asked('a', 10)]).admit(&full(8), None), None);
}

#[test]
fn a_long_request_waits_while_those_in_progress_leave_no_memory_for_it() {
    let a = key('a');
    let active = |count| view(8, (0..count).map(|slot| answer(slot, &a)));
    let longer = Admission::Reshape(CacheShape { slots: 4, slot_tokens: 1024 });
    assert_eq!(policy([asked('a', 1000)]).admit(&active(3), None), Some(longer));
    assert_eq!(policy([asked('a', 1000)]).admit(&active(4), None), None);
}

#[test]
fn groups_stand_side_by_side_in_a_new_cache() {
    let (a, b) = (key('a'), key('b'));
    let mixed = view(4, [answer(0, &b), answer(1, &a), answer(2, &b), answer(3, &a)]);
    assert_eq!(policy([]).slots_in_new_cache(&mixed), [2, 0, 3, 1]);
}

#[test]
fn a_gap_is_closed_by_the_last_sequence_that_is_short_enough() {
    let a = key('a');
    let long = |slot| Active { cached: 301, ..answer(slot, &a) };
    let closing = |last| policy([]).closing_move(&view(4, [answer(0, &a), answer(2, &a), last]));
    assert_eq!(closing(answer(3, &a)), Some(Move { from: 3, to: 1 }));
    assert_eq!(closing(long(3)), Some(Move { from: 2, to: 1 }));
    assert_eq!(policy([]).closing_move(&view(4, [answer(0, &a), long(2)])), None);
}

#[test]
fn the_group_whose_adapters_are_loaded_decodes_first_and_the_others_follow_in_order_of_slot() {
    let (a, b, c) = (key('a'), key('b'), key('c'));
    let mixed = view(8, [answer(0, &b), answer(1, &a), answer(2, &b), answer(5, &c)]);
    let groups = |loaded: Group<'_>| policy([]).groups(&mixed, loaded);
    assert_eq!(groups(&c), [3, 0, 1]);
    assert_eq!(groups(&b), [0, 1, 3]);
    assert_eq!(groups(&[]), [0, 1, 3]);
}

#[test]
fn every_answer_in_progress_of_a_group_gets_its_next_token() {
    let (a, b) = (key('a'), key('b'));
    let mixed = view(8, [answer(0, &a), answer(1, &b), prompt(2, 2, &a), answer(5, &a)]);
    assert_eq!(policy([]).next_tokens(&mixed, &a), shares(&[(0, 1), (3, 1)]));
    assert_eq!(policy([]).next_prompts(&mixed, &a), shares(&[(2, 10)]));
}

#[test]
fn prompts_are_computed_whole_and_in_turn() {
    let a = key('a');
    let of = |slot, number, pending| Active { pending, ..prompt(slot, number, &a) };
    let prompts = view(8, [of(0, 9, 30), of(1, 7, 20), of(2, 8, 10)]);
    assert_eq!(policy([]).next_prompts(&prompts, &a), shares(&[(0, 30), (1, 20), (2, 10)]));
    // What does not fit as a whole waits, and so do those behind it.
    let prompts = view(8, [of(0, 9, 2), of(1, 7, 20), of(2, 8, 50)]);
    assert_eq!(policy([]).next_prompts(&prompts, &a), shares(&[(1, 20)]));
    // Only what no batch holds is cut.
    let prompts = view(8, [of(0, 8, 2), of(1, 7, 65)]);
    assert_eq!(policy([]).next_prompts(&prompts, &a), shares(&[(1, 64)]));
}

#[test]
fn a_completion_is_scored_in_parts_where_it_wants_more_logits_than_there_is_room_for() {
    let a = key('a');
    let scored = |slot, number, cached, logits: Range<usize>| Active {
        cached,
        pending: 40 - cached,
        logits,
        ..prompt(slot, number, &a)
    };
    let next = |active: &[Active<'_>]| policy([]).next_prompts(&view(8, active.iter().cloned()), &a);
    assert_eq!(next(&[scored(0, 1, 0, 20..39)]), shares(&[(0, 36)]));
    assert_eq!(next(&[scored(0, 1, 36, 36..39)]), shares(&[(0, 4)]));
    assert_eq!(next(&[scored(0, 1, 20, 20..30), scored(1, 2, 20, 30..39)]), shares(&[(0, 20)]));
    assert_eq!(next(&[scored(0, 1, 20, 20..30), scored(1, 2, 20, 34..39)]), shares(&[(0, 20), (1, 20)]));
}

/// A decoder that computes nothing, and does otherwise as the policy says.
struct Simulation {
    policy: Policy<Asked>,
    shape: Option<CacheShape>,
    loaded: Key,
    active: Vec<Held>,
    answered: usize,
}

#[derive(Debug)]
struct Held {
    request: Asked,
    slot: usize,
    admission_number: u64,
    tokens: usize,
    cached: usize,
    most_tokens: usize,
    scored: usize,
}

impl Held {
    fn logits(&self) -> Range<usize> {
        let last = self.tokens - 1;
        if self.request.answer_tokens > 0 { last..self.tokens } else { self.tokens / 2 + self.scored..last }
    }

    fn view(&self) -> Active<'_> {
        Active {
            slot: self.slot,
            admission_number: self.admission_number,
            group: &self.request.group,
            cached: self.cached,
            pending: self.tokens - self.cached,
            most_tokens: self.most_tokens,
            logits: self.logits(),
        }
    }

    /// Computes the next `count` tokens. Returns whether the request is answered.
    fn compute(&mut self, count: usize) -> bool {
        for position in self.cached..self.cached + count {
            if self.logits().contains(&position) {
                if self.request.answer_tokens == 0 {
                    self.scored += 1;
                } else if self.tokens == self.most_tokens {
                    return true;
                } else {
                    self.tokens += 1;
                }
            }
        }
        self.cached += count;
        self.request.answer_tokens == 0 && self.logits().is_empty()
    }
}

impl Simulation {
    fn view(&self) -> View<'_> {
        View { shape: self.shape, active: self.active.iter().map(Held::view).collect() }
    }

    fn step(&mut self) {
        while let Some(Move { from, to }) = self.policy.closing_move(&self.view()) {
            assert!(self.view().owners()[to].is_none());
            self.active.iter_mut().find(|held| held.slot == from).unwrap().slot = to;
            self.active.sort_by_key(|held| held.slot);
        }
        self.admit();
        let groups = self.policy.groups(&self.view(), &self.loaded);
        let groups: Vec<Key> =
            groups.into_iter().map(|index| self.active[index].request.group.clone()).collect();
        assert_eq!(groups.iter().collect::<HashSet<_>>().len(), groups.len());
        for group in groups {
            self.loaded.clone_from(&group);
            let tokens = self.policy.next_tokens(&self.view(), &group);
            self.compute(&group, &tokens);
            let prompts = self.policy.next_prompts(&self.view(), &group);
            self.check_turns(&group, &prompts);
            self.compute(&group, &prompts);
        }
    }

    fn admit(&mut self) {
        let (mut last, mut was_reshaped) = (None, false);
        while let Some(admission) = self.policy.admit(&self.view(), last) {
            match admission {
                Admission::Reshape(shape) => {
                    assert!(!was_reshaped, "a new cache has room for whom it was made");
                    let slots = self.policy.slots_in_new_cache(&self.view());
                    for (held, slot) in self.active.iter_mut().zip(slots) {
                        (held.slot, held.cached) = (slot, 0);
                    }
                    self.active.sort_by_key(|held| held.slot);
                    (self.shape, last, was_reshaped) = (Some(shape), None, true);
                }
                Admission::Slot(slot) => {
                    assert!(self.view().owners()[slot].is_none());
                    let (request, admission_number) = self.policy.take_next().unwrap();
                    let most_tokens = request.most_tokens(1024);
                    let tokens = request.prompt_tokens;
                    let held =
                        Held { request, slot, admission_number, tokens, cached: 0, most_tokens, scored: 0 };
                    self.active.push(held);
                    self.active.sort_by_key(|held| held.slot);
                    (last, was_reshaped) = (Some(slot), false);
                }
            }
        }
        let slot_tokens = self.shape.map_or(0, |shape| shape.slot_tokens as usize);
        assert!(self.active.iter().all(|held| held.most_tokens <= slot_tokens));
    }

    /// No prompt is computed before one of its group that was admitted earlier.
    fn check_turns(&self, group: &Key, shares: &[Share]) {
        let prompts = (0..self.active.len()).filter(|&index| {
            let held = &self.active[index];
            held.request.group == *group && held.tokens - held.cached > 1
        });
        let (fed, left): (Vec<usize>, Vec<usize>) =
            prompts.partition(|&index| shares.iter().any(|share| share.index == index));
        assert!(left.is_empty() || !fed.is_empty(), "some prompt is computed in every step");
        let number = |&index: &usize| self.active[index].admission_number;
        assert!(fed.iter().map(number).max() < left.iter().map(number).min() || left.is_empty());
    }

    fn compute(&mut self, group: &Key, shares: &[Share]) {
        let logits = shares.iter().map(|share| {
            let held = &self.active[share.index];
            assert_eq!(held.request.group, *group);
            let next = held.cached..held.cached + share.count;
            next.filter(|position| held.logits().contains(position)).count()
        });
        assert!(logits.sum::<usize>() <= LIMITS.batch.logits);
        assert!(shares.iter().map(|share| share.count).sum::<usize>() <= LIMITS.batch.tokens);
        for share in shares.iter().rev() {
            if self.active[share.index].compute(share.count) {
                self.active.remove(share.index);
                self.answered += 1;
            }
        }
    }
}

fn any_request() -> impl Strategy<Value = Asked> {
    let group = prop::sample::select(vec!['a', 'b', 'c']);
    (0u64..4, group, 2usize..900, prop::sample::select(vec![0usize, 1, 5, 40])).prop_map(
        |(client, group, prompt_tokens, answer_tokens)| Asked {
            client,
            group: key(group),
            prompt_tokens,
            answer_tokens,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_request_is_answered_and_none_overtakes_another_of_its_group(
        requests in prop::collection::vec(any_request(), 1..40),
        pauses in prop::collection::vec(0usize..6, 40),
    ) {
        let (shape, loaded) = (None, Key::new());
        let mut simulation =
            Simulation { policy: policy([]), shape, loaded, active: Vec::new(), answered: 0 };
        let count = requests.len();
        let tokens: usize = requests.iter().map(|request| request.prompt_tokens + request.answer_tokens).sum();
        for (request, pause) in requests.into_iter().zip(pauses) {
            simulation.policy.enqueue(request);
            (0..pause).for_each(|_| simulation.step());
        }
        // A new cache has everything computed again, so a token may be computed once for each change of its shape.
        let most_steps = 10 * tokens;
        for _ in 0..most_steps {
            if simulation.answered == count {
                break;
            }
            simulation.step();
        }
        prop_assert_eq!(simulation.answered, count);
    }

    #[test]
    fn each_other_client_is_served_at_most_once_more_than_stand_before_in_ones_own_queue(
        steps in prop::collection::vec(prop::option::of(0u64..4), 1..200),
    ) {
        let mut policy = policy([]);
        let mut served: HashMap<u64, usize> = HashMap::new();
        // A client's requests that wait, each with what was served when it came and how many it has before it.
        let mut waiting: HashMap<u64, Vec<(HashMap<u64, usize>, usize)>> = HashMap::new();
        let drain = steps.iter().flatten().map(|_| None);
        for step in steps.iter().copied().chain(drain) {
            if let Some(client) = step {
                policy.enqueue(Asked { client, ..asked('a', 10) });
                let queue = waiting.entry(client).or_default();
                queue.push((served.clone(), queue.len()));
            } else if let Some((request, _)) = policy.take_next() {
                let (before, ahead) = waiting.get_mut(&request.client).unwrap().remove(0);
                for (client, count) in &served {
                    let meanwhile = count - before.get(client).copied().unwrap_or(0);
                    prop_assert!(*client == request.client || meanwhile <= ahead + 1);
                }
                *served.entry(request.client).or_default() += 1;
            }
        }
        prop_assert!(!policy.has_waiting());
    }
}

//! Who reads what: consumer groups within this process.
//!
//! Cooperative, like Kafka's: nobody is stopped. Every member learns of changes when it polls; one that owns more than its
//! share lets the rest go at its next poll, and only what nobody owns is taken. So a partition is revoked from one member
//! before another is given it.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::Topic;

/// All groups of one log.
#[derive(Debug)]
pub(super) struct Groups {
    groups: HashMap<(Topic, String), Group>,
    partitions: u32,
    /// A member that does not poll for this long loses what it has.
    max_poll_interval: Duration,
    next_member: u64,
}

#[derive(Debug)]
struct Group {
    /// Last poll of each member.
    members: BTreeMap<u64, Instant>,
    /// Owner of each partition.
    owners: Vec<Option<u64>>,
}

/// What changed for a member since it last asked. At most one of the two is not empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// No longer its own.
    pub(super) revoked: Vec<u32>,
    /// Its own from now on.
    pub(super) assigned: Vec<u32>,
}

impl Groups {
    /// No group yet.
    pub(super) fn new(partitions: u32, max_poll_interval: Duration) -> Self {
        Self { groups: HashMap::new(), partitions, max_poll_interval, next_member: 0 }
    }

    /// A new member. It owns nothing until it asks.
    pub(super) fn join(&mut self, topic: Topic, name: &str, now: Instant) -> u64 {
        self.next_member += 1;
        let none = vec![None; self.partitions as usize];
        let group = self.groups.entry((topic, name.to_owned())).or_insert(Group { members: BTreeMap::new(), owners: none });
        group.members.insert(self.next_member, now);
        self.next_member
    }

    /// A member is gone, and what it owned is free.
    pub(super) fn leave(&mut self, topic: Topic, name: &str, member: u64) {
        let key = (topic, name.to_owned());
        if let Some(group) = self.groups.get_mut(&key) {
            group.remove(member);
            if group.members.is_empty() {
                self.groups.remove(&key);
            }
        }
    }

    /// Whether the partition is the member's now.
    pub(super) fn owns(&self, topic: Topic, name: &str, member: u64, partition: u32) -> bool {
        let group = self.groups.get(&(topic, name.to_owned()));
        group.and_then(|group| group.owners.get(partition as usize)) == Some(&Some(member))
    }

    /// The member polls, believing that it owns `held`: what changes for it now.
    pub(super) fn poll(&mut self, topic: Topic, name: &str, member: u64, held: &[u32], now: Instant) -> Change {
        let none = vec![None; self.partitions as usize];
        let key = (topic, name.to_owned());
        let group = self.groups.entry(key).or_insert(Group { members: BTreeMap::new(), owners: none });
        group.members.insert(member, now);
        let silent = |(id, last): (&u64, &Instant)| (now.duration_since(*last) > self.max_poll_interval).then_some(*id);
        for member in group.members.iter().filter_map(silent).collect::<Vec<_>>() {
            group.remove(member);
        }
        let owned = group.owned_by(member);
        let lost: Vec<u32> = held.iter().copied().filter(|partition| !owned.contains(partition)).collect();
        if !lost.is_empty() {
            return Change { revoked: lost, assigned: Vec::new() };
        }
        let quota = group.quota(member);
        if owned.len() > quota {
            let revoked = owned[quota..].to_vec();
            revoked.iter().for_each(|partition| group.owners[*partition as usize] = None);
            return Change { revoked, assigned: Vec::new() };
        }
        let free = (0..self.partitions).filter(|partition| group.owners[*partition as usize].is_none());
        let assigned: Vec<u32> = free.take(quota - owned.len()).collect();
        assigned.iter().for_each(|partition| group.owners[*partition as usize] = Some(member));
        Change { revoked: Vec::new(), assigned }
    }
}

impl Group {
    fn remove(&mut self, member: u64) {
        self.members.remove(&member);
        self.owners.iter_mut().filter(|owner| **owner == Some(member)).for_each(|owner| *owner = None);
    }

    fn owned_by(&self, member: u64) -> Vec<u32> {
        (0..).zip(&self.owners).filter(|(_, owner)| **owner == Some(member)).map(|(partition, _)| partition).collect()
    }

    /// An even share. Those who own most keep the odd partitions, so that nothing moves without need.
    fn quota(&self, member: u64) -> usize {
        let (share, odd) = (self.owners.len() / self.members.len(), self.owners.len() % self.members.len());
        let owned = |id: u64| self.owners.iter().filter(|owner| **owner == Some(id)).count();
        let mine = (owned(member), std::cmp::Reverse(member));
        let ahead = self.members.keys().filter(|id| (owned(**id), std::cmp::Reverse(**id)) > mine).count();
        share + usize::from(ahead < odd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const INTERVAL: Duration = Duration::from_secs(300);

    #[derive(Clone, Debug)]
    enum Step {
        Join,
        Leave(prop::sample::Index),
        Poll(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            1 => Just(Step::Join),
            1 => any::<prop::sample::Index>().prop_map(Step::Leave),
            6 => any::<prop::sample::Index>().prop_map(Step::Poll),
        ]
    }

    struct World {
        groups: Groups,
        held: BTreeMap<u64, BTreeSet<u32>>,
        now: Instant,
    }

    impl World {
        fn poll(&mut self, member: u64) -> bool {
            let held: Vec<u32> = self.held[&member].iter().copied().collect();
            let change = self.groups.poll(Topic::Raw, "g", member, &held, self.now);
            assert!(change.revoked.is_empty() || change.assigned.is_empty());
            let moved = change != Change::default();
            let mine = self.held.get_mut(&member).unwrap();
            change.revoked.iter().for_each(|partition| assert!(mine.remove(partition)));
            change.assigned.iter().for_each(|partition| assert!(mine.insert(*partition)));
            for partition in change.assigned {
                let holders = self.held.values().filter(|held| held.contains(&partition)).count();
                assert_eq!(holders, 1, "partition {partition} was given before it was revoked");
            }
            moved
        }
    }

    proptest! {
        #[test]
        fn no_partition_has_two_owners_and_all_find_one(partitions in 1u32..20, steps in proptest::collection::vec(step(), 0..80)) {
            let mut world = World { groups: Groups::new(partitions, INTERVAL), held: BTreeMap::new(), now: Instant::now() };
            for step in steps {
                let ids: Vec<u64> = world.held.keys().copied().collect();
                match step {
                    Step::Join => {
                        let member = world.groups.join(Topic::Raw, "g", world.now);
                        world.held.insert(member, BTreeSet::new());
                    }
                    Step::Leave(_) | Step::Poll(_) if ids.is_empty() => {}
                    Step::Leave(index) => {
                        world.groups.leave(Topic::Raw, "g", *index.get(&ids));
                        world.held.remove(index.get(&ids));
                    }
                    Step::Poll(index) => {
                        world.poll(*index.get(&ids));
                    }
                }
            }
            let ids: Vec<u64> = world.held.keys().copied().collect();
            let mut rounds = 0;
            loop {
                let moves = ids.iter().filter(|id| world.poll(**id)).count();
                rounds += 1;
                if moves == 0 {
                    break;
                }
                prop_assert!(rounds < 10, "the shares do not settle");
            }
            if !ids.is_empty() {
                let sizes: Vec<usize> = world.held.values().map(BTreeSet::len).collect();
                prop_assert_eq!(sizes.iter().sum::<usize>(), partitions as usize);
                prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            }
        }
    }

    #[test]
    fn a_silent_member_loses_its_partitions_and_learns_of_it() {
        let mut groups = Groups::new(2, INTERVAL);
        let start = Instant::now();
        let silent = groups.join(Topic::Raw, "g", start);
        assert_eq!(groups.poll(Topic::Raw, "g", silent, &[], start).assigned, [0, 1]);
        let other = groups.join(Topic::Raw, "g", start);
        let later = start + INTERVAL + Duration::from_millis(1);
        assert_eq!(groups.poll(Topic::Raw, "g", other, &[], later).assigned, [0, 1]);
        assert!(!groups.owns(Topic::Raw, "g", silent, 0) && groups.owns(Topic::Raw, "g", other, 0));
        assert_eq!(groups.poll(Topic::Raw, "g", silent, &[0, 1], later).revoked, [0, 1]);
        assert_eq!(groups.poll(Topic::Raw, "g", other, &[0, 1], later).revoked, [1], "it is back, and has a share");
        assert_eq!(groups.poll(Topic::Raw, "g", silent, &[], later).assigned, [1]);
    }
}

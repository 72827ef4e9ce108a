//! Puts lives in the order in which their records arrive: a wheel of minutes, twenty-four bytes per record to come.

use std::collections::VecDeque;

use feedback::time::MINUTE_US;

use super::dice::Dice;
use super::life::{Action, HORIZON_SLOTS, Life, LifeKey};
use super::model::{Burst, Model};

/// Most records to come that are kept (96 MiB). Beyond, a new report gets no later life, which the truth does not know; see
/// [`Schedule::cut`]. Rates up to about 5 reports per second stay below, for ever.
pub const MAX_PENDING: usize = 4 << 20;

/// Weeks of bursts kept: longer than the horizon.
const BURST_WEEKS: usize = 12;

/// A record to come. Ordered by arrival, then by key, so that ties are broken the same way always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pending {
    /// When it arrives, microseconds.
    pub received_us: i64,
    /// Of which report.
    pub key: LifeKey,
    /// What happens.
    pub action: Action,
}

/// The wheel.
#[derive(Debug)]
pub struct Schedule {
    wheel: Vec<Vec<Pending>>,
    /// The next minute to be lived.
    slot: u32,
    /// The minute being told, in order, and how far it has been told.
    current: Vec<Pending>,
    told: usize,
    pending: usize,
    cut: u64,
    bursts: Bursts,
    /// The bursts around the week being lived.
    active: (Option<u32>, Vec<Burst>),
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            wheel: vec![Vec::new(); HORIZON_SLOTS],
            slot: 0,
            current: Vec::new(),
            told: 0,
            pending: 0,
            cut: 0,
            bursts: Bursts::default(),
            active: (None, Vec::new()),
        }
    }
}

impl Schedule {
    /// The next record to arrive, without taking it.
    pub fn peek(&mut self, model: &Model) -> Pending {
        while self.told == self.current.len() {
            self.live_one_minute(model);
        }
        self.current[self.told]
    }

    /// The next record to arrive.
    pub fn take(&mut self, model: &Model) -> Pending {
        let next = self.peek(model);
        self.told += 1;
        self.pending -= 1;
        next
    }

    /// The life that a record belongs to.
    pub fn life(&mut self, model: &Model, key: LifeKey) -> Life {
        let burst = key.burst_week().and_then(|week| self.bursts.get(model, week, key.lane - 1));
        Life::of(model, key, burst)
    }

    /// How many reports got no later life because [`MAX_PENDING`] records were waiting.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    fn live_one_minute(&mut self, model: &Model) {
        let slot = self.slot;
        let slot_us = model.config.start_us() + i64::from(slot) * MINUTE_US;
        let week = model.week_of(slot_us);
        if self.active.0 != Some(week) {
            self.active = (Some(week), model.bursts_around(week));
        }
        let per_slot = 1.0 / 60.0;
        let mut dice = Dice::new(model.config.seed, 31, u64::from(slot));
        let usual = dice.poisson(model.city_per_hour(slot_us) * per_slot);
        for index in 0..usual {
            self.begin(model, LifeKey { slot, lane: 0, index, follower: 0 }, None);
        }
        let bursts = std::mem::take(&mut self.active.1);
        for burst in bursts.iter().filter(|burst| (burst.from.micros()..burst.until.micros()).contains(&slot_us)) {
            let mut dice = Dice::new(model.config.seed, 32 + u64::from(burst.number), u64::from(slot));
            let extra = dice.poisson(model.burst_extra_per_hour(burst, slot_us) * per_slot);
            for index in 0..extra {
                self.begin(model, LifeKey { slot, lane: burst.number + 1, index, follower: 0 }, Some(burst));
            }
        }
        self.active.1 = bursts;
        self.current = std::mem::take(&mut self.wheel[slot as usize % HORIZON_SLOTS]);
        self.current.sort_unstable();
        self.told = 0;
        self.slot += 1;
    }

    /// Enters a first report, those that follow it, and what happens to all of them.
    fn begin(&mut self, model: &Model, key: LifeKey, burst: Option<&Burst>) {
        let is_full = self.pending >= MAX_PENDING;
        let life = Life::of(model, key, burst);
        self.enter(model, &life, is_full);
        for follower in 1..=life.followers {
            let life = Life::of(model, LifeKey { follower, ..key }, burst);
            self.enter(model, &life, is_full);
        }
    }

    fn enter(&mut self, model: &Model, life: &Life, is_full: bool) {
        self.cut += u64::from(is_full);
        for action in Action::ALL {
            if is_full && (action != Action::Report || life.key.follower > 0) {
                continue;
            }
            let Some(moment) = life.moment(action) else { continue };
            let due = (moment.received_us - model.config.start_us()).div_euclid(MINUTE_US);
            let pending = Pending { received_us: moment.received_us, key: life.key, action };
            self.wheel[due as usize % HORIZON_SLOTS].push(pending);
            self.pending += 1;
        }
    }
}

/// The bursts of the latest weeks, computed once.
#[derive(Debug, Default)]
struct Bursts {
    weeks: VecDeque<(u32, Vec<Burst>)>,
}

impl Bursts {
    fn get(&mut self, model: &Model, week: u32, number: u32) -> Option<&Burst> {
        let position = match self.weeks.iter().position(|(known, _)| *known == week) {
            Some(position) => position,
            None => {
                if self.weeks.len() == BURST_WEEKS {
                    self.weeks.pop_front();
                }
                self.weeks.push_back((week, model.bursts_of_week(week)));
                self.weeks.len() - 1
            }
        };
        self.weeks[position].1.iter().find(|burst| burst.number == number)
    }
}

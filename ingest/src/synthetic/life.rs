//! One report and everything that will ever happen to it: a pure function of the city and the report's key.
//!
//! Nothing about a report is stored. Whoever holds its key (the schedule for twenty-four bytes, a test by parsing the id) computes
//! the same life again.

use feedback::time::{HOUR_US, MINUTE_US, SECOND_US};
use feedback::{Channel, Signal, Tone, Topic};

use super::dice::Dice;
use super::grammar::{MATTERS, STREET_COUNT, Speech};
use super::model::{Burst, CASE_LIMIT_H, MAX_BURSTS_PER_WEEK, Model, SIGNAL_SHARES};
use super::topics::TRAITS;

/// How far ahead of its minute a life is known, in minutes (45 days). What would arrive later than that never happens.
pub const HORIZON_SLOTS: usize = 1 << 16;

/// Most further reports of one incident (a Poisson number is cut here).
pub const MAX_FOLLOWERS: u8 = 63;

/// Which report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LifeKey {
    /// The minute since the start in which the first report of the incident was made.
    pub slot: u32,
    /// 0 for what is usual, else the burst's number + 1.
    pub lane: u32,
    /// Which one in that minute.
    pub index: u32,
    /// 0 for the first report, else which further report of the same incident.
    pub follower: u8,
}

impl LifeKey {
    /// The week in whose list the burst stands.
    pub fn burst_week(self) -> Option<u32> {
        self.lane.checked_sub(1).map(|number| number / (MAX_BURSTS_PER_WEEK + 1))
    }
}

/// What happens to a report, in the order of [`Life::moments`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Action {
    /// It is made.
    Report,
    /// Its author adds something.
    Edit,
    /// The city says that it has seen it.
    Acknowledge,
    /// The city closes it.
    Close,
    /// It is opened again.
    Reopen,
    /// It is closed for good.
    CloseAgain,
    /// It is to be forgotten.
    Erase,
    /// Everything by its author is to be forgotten.
    EraseAuthor,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Report,
        Self::Edit,
        Self::Acknowledge,
        Self::Close,
        Self::Reopen,
        Self::CloseAgain,
        Self::Erase,
        Self::EraseAuthor,
    ];
}

/// When something happened and when the city's systems had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Event time, microseconds.
    pub at_us: i64,
    /// Arrival, microseconds.
    pub received_us: i64,
}

/// A report and its future.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// Which report.
    pub key: LifeKey,
    /// Position in the list of districts.
    pub district: usize,
    /// What it is about and how it is said.
    pub speech: Speech,
    /// Code of `feedback::Urgency`.
    pub urgency: u8,
    /// Position in `LANGUAGES`.
    pub language: usize,
    /// Whether the record declares its language.
    pub declares_language: bool,
    /// By which door.
    pub channel: Channel,
    /// Who: a number within the district; the small ones write most.
    pub author: Option<u32>,
    /// Millionths of a degree (lat, lon).
    pub point_e6: (i64, i64),
    /// What of the place the record tells.
    pub place: Place,
    /// Supporting votes.
    pub votes: Option<u32>,
    /// Whether the city has linked it to the incident's first report.
    pub is_linked: bool,
    /// How many further reports its incident has (of the first report only; 0 for the others).
    pub followers: u8,
    /// When each [`Action`] happens, if it does.
    pub moments: [Option<Moment>; Action::ALL.len()],
}

/// What of its place a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Coordinates.
    Point,
    /// The district's name.
    Name,
    /// Nothing.
    Nothing,
}

/// What all reports of one incident share.
struct Incident {
    district: usize,
    topic: usize,
    signal: Signal,
    matter: u8,
    at: (f64, f64),
    streets: (u8, u8),
    created_us: i64,
    /// Microseconds from the first report during which others can follow.
    exposure_us: f64,
    closes_us: Option<i64>,
    followers: u8,
}

impl Life {
    /// The life of `key`; `burst` is the burst of its lane, if it has one.
    pub fn of(model: &Model, key: LifeKey, burst: Option<&Burst>) -> Self {
        let incident = incident(model, key, burst);
        let seed = model.config.seed;
        let spot = u64::from(key.slot) << 32 | u64::from(key.index);
        let mut dice = Dice::new(seed, spot, u64::from(key.lane) << 16 | u64::from(key.follower) << 8 | 1);
        let dice = &mut dice;
        let traits = &TRAITS[incident.topic];

        let created_us = match key.follower {
            0 => incident.created_us,
            _ => milli(incident.created_us + (dice.unit() * incident.exposure_us) as i64),
        };
        let signal = incident.signal;
        let tone = draw_tone(signal, dice);
        let urgency = if signal == Signal::Problem { traits.urgency[usize::from(incident.matter)] } else { 0 };
        let channel = draw_channel(dice);
        let language = model.draw_language(incident.district, dice);
        let writers = f64::from(model.districts[incident.district].population) / 20.0;
        let author_draw = dice.unit();
        let author = (dice.unit() >= 0.12).then_some((author_draw * author_draw * writers) as u32);
        let is_personal = dice.happens(model.config.personal_share);
        let place = match dice.unit() {
            u if u < 0.92 => Place::Point,
            u if u < 0.98 => Place::Name,
            _ => Place::Nothing,
        };
        let nudge = |value: f64, dice: &mut Dice| {
            (value + if key.follower == 0 { 0.0 } else { dice.between(-0.01, 0.01) }).clamp(0.0, 1.0)
        };
        let (u, v) = (nudge(incident.at.0, dice), nudge(incident.at.1, dice));
        let extras = dice.bits();

        let mut life = Self {
            key,
            district: incident.district,
            speech: Speech {
                topic: Topic::ALL[incident.topic],
                matter: incident.matter,
                signal,
                tone,
                streets: incident.streets,
                is_personal,
                is_edited: false,
            },
            urgency,
            language,
            declares_language: extras & 0xff < 0x50,
            channel,
            author,
            point_e6: model.districts[incident.district].point_e6(u, v),
            place,
            votes: (extras >> 8 & 0xff < 0x20).then_some(1 + (extras >> 16 & 0x1f) as u32),
            is_linked: key.follower > 0 && extras >> 24 & 0xff < 0x28,
            followers: if key.follower == 0 { incident.followers } else { 0 },
            moments: [None; Action::ALL.len()],
        };
        life.draw_moments(model, created_us, incident.closes_us, dice);
        life
    }

    fn draw_moments(&mut self, model: &Model, created_us: i64, closes_us: Option<i64>, dice: &mut Dice) {
        let config = &model.config;
        let hours = |mean: f64, dice: &mut Dice| (dice.exponential(mean) * HOUR_US as f64) as i64;
        let arrives = |at_us: i64, dice: &mut Dice| {
            let at_us = milli(at_us);
            Some(Moment { at_us, received_us: milli(at_us + delay_us(config.disorder_us(), config.very_late_share, dice)) })
        };
        let erased_us = dice.happens(config.erased_share).then(|| created_us + 5 * MINUTE_US + hours(24.0, dice));
        let before_erasure = |at_us: &i64| erased_us.is_none_or(|erased_us| *at_us < erased_us);
        self.moments[Action::Report as usize] = arrives(created_us, dice);
        if dice.happens(config.edited_share) {
            let edited_us = created_us + MINUTE_US + hours(6.0, dice);
            self.moments[Action::Edit as usize] = Some(edited_us).filter(before_erasure).and_then(|at| arrives(at, dice));
        }
        if dice.happens(0.6) {
            let seen_us =
                created_us + MINUTE_US + hours(TRAITS[usize::from(self.speech.topic.code())].close_mean_h / 6.0, dice);
            let before_close = |at: &i64| closes_us.is_none_or(|closes_us| *at < closes_us);
            let seen_us = Some(seen_us).filter(before_erasure).filter(before_close);
            self.moments[Action::Acknowledge as usize] = seen_us.and_then(|at| arrives(at, dice));
        }
        // A report made in the very minute of the closing is closed a moment after it was made.
        let closes_us = closes_us.map(|closes_us| closes_us.max(created_us + SECOND_US)).filter(before_erasure);
        if let Some(closes_us) = closes_us {
            self.moments[Action::Close as usize] = arrives(closes_us, dice);
            if dice.happens(0.05) {
                let reopened_us = closes_us + HOUR_US + hours(24.0, dice);
                let again_us = reopened_us + HOUR_US + hours(36.0, dice);
                self.moments[Action::Reopen as usize] =
                    Some(reopened_us).filter(before_erasure).and_then(|at| arrives(at, dice));
                self.moments[Action::CloseAgain as usize] =
                    Some(again_us).filter(before_erasure).and_then(|at| arrives(at, dice));
            }
        }
        if let Some(erased_us) = erased_us {
            self.moments[Action::Erase as usize] = arrives(erased_us, dice);
        }
        if self.author.is_some() && dice.happens(0.000_05) {
            let left_us = created_us + HOUR_US + hours(240.0, dice);
            self.moments[Action::EraseAuthor as usize] = arrives(left_us, dice);
        }
        let end_us = config.start_us() + (i64::from(self.key.slot) + HORIZON_SLOTS as i64) * MINUTE_US;
        for moment in &mut self.moments {
            *moment = moment.filter(|moment| moment.received_us < end_us);
        }
    }

    /// When it was said, microseconds.
    pub fn created_us(&self) -> i64 {
        self.moment(Action::Report).map_or(0, |moment| moment.at_us)
    }

    /// When an action happens, if it does.
    pub fn moment(&self, action: Action) -> Option<Moment> {
        self.moments[action as usize]
    }

    /// The chance that words its text.
    pub fn voice(&self, model: &Model) -> Dice {
        let spot = u64::from(self.key.slot) << 32 | u64::from(self.key.index);
        Dice::new(model.config.seed, spot, u64::from(self.key.lane) << 16 | u64::from(self.key.follower) << 8 | 2)
    }
}

fn incident(model: &Model, key: LifeKey, burst: Option<&Burst>) -> Incident {
    let seed = model.config.seed;
    let stream =
        |part: u64| Dice::new(seed, u64::from(key.slot) << 32 | u64::from(key.index), u64::from(key.lane) << 16 | part);
    let dice = &mut stream(0);
    let slot_us = model.config.start_us() + i64::from(key.slot) * MINUTE_US;
    let created_us = milli(slot_us + (dice.unit() * MINUTE_US as f64) as i64);
    let (district, topic) = match burst {
        None => model.draw_cell(slot_us, dice),
        Some(burst) => (model.draw_burst_district(burst, dice), usize::from(burst.topic.code())),
    };
    let one_incident = burst.filter(|burst| burst.is_one_incident);
    let signal = if one_incident.is_some() { Signal::Problem } else { draw_signal(topic, dice) };
    // One incident told by many is at one place, the same for every report of the burst.
    let mut place = one_incident.map_or_else(|| stream(3), |burst| Dice::new(seed, 23, u64::from(burst.number)));
    let at = (place.unit(), place.unit());
    let matter = place.below(MATTERS as u32) as u8;
    let street = place.below(STREET_COUNT);
    let cross = (street + 1 + place.below(STREET_COUNT - 1)) % STREET_COUNT;
    let mut closing = stream(4);
    let open_h = closing.exponential(model.close_mean_h(district, topic));
    let closes_us = (open_h <= CASE_LIMIT_H).then(|| milli(created_us + MINUTE_US + (open_h * HOUR_US as f64) as i64));
    let is_followed = signal == Signal::Problem && one_incident.is_none();
    let exposure_h = open_h.min(CASE_LIMIT_H);
    let expected = if is_followed { model.reporting_per_hour(district, topic) * exposure_h } else { 0.0 };
    let followers = closing.poisson(expected).min(u32::from(MAX_FOLLOWERS)) as u8;
    Incident {
        district,
        topic,
        signal,
        matter,
        at,
        streets: (street as u8, cross as u8),
        created_us,
        exposure_us: exposure_h * HOUR_US as f64,
        closes_us,
        followers,
    }
}

fn draw_signal(topic: usize, dice: &mut Dice) -> Signal {
    let mut rest = dice.unit();
    for (signal, share) in [Signal::Problem, Signal::Request, Signal::Question, Signal::Praise].into_iter().zip(SIGNAL_SHARES) {
        if rest < share {
            let is_chat = signal == Signal::Problem && Topic::ALL[topic] == Topic::Other && rest < share / 2.0;
            return if is_chat { Signal::Other } else { signal };
        }
        rest -= share;
    }
    Signal::Problem
}

fn draw_tone(signal: Signal, dice: &mut Dice) -> Tone {
    let (negative, positive) = match signal {
        Signal::Problem => (0.6, 0.0),
        Signal::Request => (0.08, 0.10),
        Signal::Question => (0.10, 0.0),
        Signal::Praise => (0.0, 1.0),
        Signal::Other => (0.0, 0.2),
    };
    match dice.unit() {
        u if u < negative => Tone::Negative,
        u if u < negative + positive => Tone::Positive,
        _ => Tone::Neutral,
    }
}

fn draw_channel(dice: &mut Dice) -> Channel {
    match dice.below(100) {
        0..42 => Channel::App,
        42..64 => Channel::Web,
        64..80 => Channel::Phone,
        80..86 => Channel::Email,
        86..95 => Channel::Social,
        95..98 => Channel::InPerson,
        _ => Channel::Staff,
    }
}

/// Most arrive at once, some anywhere within the disorder, very few an hour to three days late.
fn delay_us(disorder_us: f64, very_late_share: f64, dice: &mut Dice) -> i64 {
    let class = dice.unit();
    let delay = if class < very_late_share {
        HOUR_US as f64 * 72f64.powf(dice.unit())
    } else if class < 0.92 {
        dice.exponential(disorder_us / 30.0).min(disorder_us)
    } else {
        dice.unit() * disorder_us
    };
    delay as i64
}

/// Systems of cities keep milliseconds at best.
fn milli(us: i64) -> i64 {
    us - us.rem_euclid(1_000)
}

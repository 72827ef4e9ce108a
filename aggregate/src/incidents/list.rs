//! The incidents in the order of their first reports, kept from one asking to the next: only what was touched is looked at again.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::cow::FastMap;
use crate::dictionary::NULL;
use crate::incidents::blocks::{ALONE, Block, Blocks, Opener};
use crate::incidents::follow::Followed;
use crate::incidents::reports::{Number, Report, row_of, tells_of_a_thing};
use crate::incidents::rule::NO_CLASS;
use crate::incidents::summary::{Summary, Teller, Told};
use crate::rows::Column;
use crate::segment::Place;
use crate::state::State;
use crate::tables::under_reporting::Exposure;
use crate::windows::Group;

/// Who opened an incident, in order, and what others told of it.
#[derive(Default)]
pub(crate) struct Listed {
    openers: Blocks,
    /// What several reports of an incident told together; a single report says everything itself.
    told: Vec<Option<Told>>,
    /// Free places of `told`.
    free: Vec<u32>,
}

impl Listed {
    fn keep(&mut self, told: Told) -> u32 {
        let place = self.free.pop().unwrap_or(self.told.len() as u32);
        match self.told.get_mut(place as usize) {
            Some(free) => *free = Some(told),
            None => self.told.push(Some(told)),
        }
        place
    }

    pub(crate) fn bytes(&self) -> usize {
        let tellers: usize = self.told.iter().flatten().map(|told| told.tellers.len()).sum();
        self.openers.bytes()
            + self.told.capacity() * size_of::<Option<Told>>()
            + self.free.capacity() * size_of::<u32>()
            + tellers * size_of::<Teller>()
    }
}

impl Followed {
    /// Brings the list up to what was followed.
    pub(crate) fn list(&mut self, state: &State) {
        let touched = self.joined.take_touched();
        if touched.numbers().is_empty() {
            return;
        }
        let mut listed = std::mem::take(&mut self.listed);
        // What was not touched stands where it stood: its report is the same, so it is still in order.
        let Listed { openers, told, free } = &mut listed;
        openers.take(&touched, |opener| {
            if let Some(place) = told.get_mut(opener.told as usize) {
                *place = None;
                free.push(opener.told);
            }
        });
        let mut fresh: Vec<(i64, Opener)> = Vec::new();
        for number in touched.numbers().iter().copied().filter(|number| self.reports.opens(*number)) {
            let speakers = std::iter::once(&number).chain(self.joined.others(number));
            let numbers: Vec<Number> = speakers.flat_map(|speaker| self.links.together(speaker)).copied().collect();
            let report = &self.reports.all[number as usize];
            let told = if numbers.len() > 1 {
                listed.keep(Told::of(self, state, numbers))
            } else if row_of(state, report.place).is_some_and(|(rows, row)| tells_of_a_thing(rows, row)) {
                ALONE
            } else {
                continue;
            };
            fresh.push((report.created_us, Opener { number, told }));
        }
        let id = |opener: &Opener| self.reports.id(state, opener.number);
        fresh.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| id(&a.1).cmp(id(&b.1))));
        listed.openers.put(state, &self.reports, fresh.into_iter().map(|(_, opener)| opener).collect());
        self.listed = listed;
    }
}

/// Every incident of a snapshot, to read.
pub(crate) struct List<'a> {
    followed: &'a Followed,
    pub(crate) state: &'a State,
    watermark: i64,
}

/// Reports about the same thing.
#[derive(Clone, Copy)]
pub(crate) struct Incident<'a> {
    number: Number,
    opener: &'a Report,
    told: Option<&'a Told>,
    /// Until when further reports were joined to it: it was closed, its topic's span ran out, or the watermark stands there. Never
    /// before its first report. Reports that only the portal's links joined may be later.
    pub(crate) exposure_end_us: i64,
}

impl Incident<'_> {
    /// The row of the first report, whose id is the incident's.
    pub(crate) fn first(&self) -> Place {
        self.opener.place
    }

    /// When it was first reported, microseconds.
    pub(crate) fn first_us(&self) -> i64 {
        self.opener.created_us
    }

    /// Code of the first report's topic.
    pub(crate) fn topic(&self) -> u8 {
        self.opener.said.topic
    }

    /// Whether others can join by place; if not (its topic or place does not allow it), it has no exposure.
    pub(crate) fn can_be_joined(&self) -> bool {
        self.opener.class != NO_CLASS
    }
}

impl<'a> List<'a> {
    /// Of a state that was followed and listed.
    pub(crate) fn new(followed: &'a Followed, state: &'a State) -> Self {
        Self { followed, state, watermark: state.watermark.unwrap_or(i64::MAX) }
    }

    fn incident(&self, of: Opener) -> Incident<'a> {
        let opener = &self.followed.reports.all[of.number as usize];
        let told = self.followed.listed.told.get(of.told as usize).and_then(Option::as_ref);
        let exposure_end_us = opener.end_us.min(self.watermark).max(opener.created_us);
        Incident { number: of.number, opener, told, exposure_end_us }
    }

    /// All of them, by first report.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Incident<'a>> + '_ {
        self.followed.listed.openers.iter().flat_map(|block| self.of(block))
    }

    /// Adds up the incidents first reported in a stretch of time (both ends included) by `add`. What neither depends on the watermark
    /// nor lies at an end of the stretch is added up once, and again only when a report of it changes.
    pub(crate) fn sums(
        &self,
        when_us: RangeInclusive<i64>,
        add: impl Fn(&mut FastMap<Group, Exposure>, &Incident<'a>),
    ) -> BTreeMap<Group, Exposure> {
        let mut sums: FastMap<Group, Exposure> = FastMap::default();
        for block in self.followed.listed.openers.iter() {
            let created_us = |opener: &Opener| self.followed.reports.all[opener.number as usize].created_us;
            let (Some(first), Some(last)) = (block.openers.first().map(created_us), block.openers.last().map(created_us))
            else {
                continue;
            };
            if last < *when_us.start() || first > *when_us.end() {
                continue;
            }
            let is_inside = when_us.contains(&first) && when_us.contains(&last);
            if is_inside && block.is_settled(&self.followed.reports, self.watermark) {
                let added = block.sums(|| {
                    let mut added = FastMap::default();
                    self.of(block).for_each(|incident| add(&mut added, &incident));
                    added
                });
                added.iter().for_each(|(group, sum)| sums.entry(*group).or_default().add(sum));
            } else {
                let inside = self.of(block).filter(|incident| when_us.contains(&incident.first_us()));
                inside.for_each(|incident| add(&mut sums, &incident));
            }
        }
        sums.into_iter().collect()
    }

    fn of<'b>(&'b self, block: &'b Block) -> impl Iterator<Item = Incident<'a>> + 'b {
        block.openers.iter().map(|opener| self.incident(*opener))
    }

    /// The rows of an incident's reports after the first, with when they were made: by time.
    pub(crate) fn later(&self, incident: &Incident<'a>) -> impl Iterator<Item = (i64, Place)> + '_ {
        let tellers = incident.told.map_or(&[][..], |told| &told.tellers);
        tellers.iter().skip(1).map(|teller| {
            let report = &self.followed.reports.all[teller.number as usize];
            (report.created_us, report.place)
        })
    }

    /// How many reports it has.
    pub(crate) fn reports(&self, incident: &Incident<'a>) -> usize {
        incident.told.map_or(1, |told| told.tellers.len())
    }

    /// When it was last reported, microseconds.
    pub(crate) fn last_us(&self, incident: &Incident<'a>) -> i64 {
        let last = incident.told.and_then(|told| told.tellers.last());
        last.map_or(incident.opener.created_us, |teller| self.followed.reports.all[teller.number as usize].created_us)
    }

    /// Reports after the first, made while others could join; and of these, those by somebody who had not reported it before.
    pub(crate) fn further(&self, incident: &Incident<'a>) -> (usize, usize) {
        let tellers = incident.told.map_or(&[][..], |told| &told.tellers);
        let until = tellers
            .partition_point(|teller| self.followed.reports.all[teller.number as usize].created_us <= incident.exposure_end_us);
        let further = tellers.get(1..until).unwrap_or_default();
        (further.len(), further.iter().filter(|teller| teller.is_new).count())
    }

    /// Code of the district of the first report that has one.
    pub(crate) fn district(&self, incident: &Incident<'a>) -> u32 {
        let of_one = || row_of(self.state, incident.opener.place).map_or(NULL, |(rows, row)| rows.word(Column::District, row));
        incident.told.map_or_else(of_one, |told| told.summary.district)
    }

    /// What its reports say together.
    pub(crate) fn summary(&self, incident: &Incident<'a>) -> Option<Summary> {
        if let Some(told) = incident.told {
            return Some(told.summary);
        }
        let (rows, row) = row_of(self.state, incident.opener.place)?;
        Some(Summary::of_one(self.followed, incident.number, rows, row))
    }

    /// The row of the first report that has a headline, and of the first that has words; of the first where none has.
    pub(crate) fn words(&self, incident: &Incident<'a>) -> (Place, Place) {
        let place = |number: Number| self.followed.reports.all[number as usize].place;
        incident.told.map_or((incident.opener.place, incident.opener.place), |told| (place(told.title), place(told.text)))
    }
}

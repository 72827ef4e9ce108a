//! Incidents: reports of the same thing, joined by place, time, topic and words.
//!
//! What an incident is, is a function of the set of reports, never of their order of arrival:
//!
//! 1. Reports that the portal itself links (`duplicate_of`), directly or over others, are *told together*, whatever else is
//!    known of them. The earliest of them speaks for all. A report without links speaks for itself.
//! 2. Those that speak are taken in order of (`created_at`, `id`). Each joins the earlier incident that fits best by [`rule`], or
//!    opens one. It is compared with the first report of each incident only, so no chain of reports can grow along a street:
//!    everything that is not linked lies within one radius of the first report and within one span of time after it.
//! 3. An incident can be joined until it ends: when the report that opened it (and everything told together with it) is closed,
//!    at the latest after the topic's span. What comes later at the same place is a new incident.
//!
//! So the end of an incident's exposure is known without looking at who joined, which is what an estimate of reporting rates
//! needs (Liu, Bhandaram & Garg 2023); a rule by gaps between reports would end exposure where reports happen to be rare.
//!
//! Nothing of it is done while writing. A [`Keeper`] follows the snapshots for those who ask: it compares the segments of a
//! snapshot with those it saw last (blocks that did not change are the same allocation), and settles anew only reports that
//! changed and those that come after them nearby. What may be other than before is *touched*; of the [`List`] of all incidents,
//! only those are made anew.

mod blocks;
mod config;
mod follow;
mod joined;
mod keeper;
mod links;
mod list;
mod place;
mod reports;
mod rule;
mod squares;
mod summary;

pub use config::{IncidentClass, IncidentConfig};
pub(crate) use keeper::{IncidentsOf, Keeper};
pub(crate) use list::{Incident, List};
pub(crate) use reports::row_of;
pub(crate) use summary::Summary;

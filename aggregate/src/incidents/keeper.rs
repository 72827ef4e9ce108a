//! Keeps what was followed between snapshots, for whoever asks a snapshot for its incidents.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, StringViewBuilder};

use crate::incidents::config::IncidentConfig;
use crate::incidents::follow::Followed;
use crate::incidents::list::List;
use crate::incidents::reports::tells_of_a_thing;
use crate::incidents::rule::Rule;
use crate::segment::{Place, Segment};
use crate::state::State;

/// Follows the snapshots of one process. Whoever asks an older snapshot after a newer one makes it step back: the difference
/// between two snapshots is the same work in both directions.
pub(crate) struct Keeper(Mutex<Followed>);

impl Keeper {
    /// Follows by a configuration that was checked.
    pub(crate) fn new(config: &IncidentConfig) -> Self {
        Self(Mutex::new(Followed::new(Arc::new(Rule::new(config)))))
    }

    /// Everything as of `state`, held while in use.
    fn at(&self, state: &State) -> MutexGuard<'_, Followed> {
        let mut followed = self.0.lock().unwrap_or_else(|poisoned| {
            // Somebody stopped half way: what is there cannot be trusted.
            self.0.clear_poison();
            let mut followed = PoisonError::into_inner(poisoned);
            followed.forget();
            followed
        });
        followed.follow(state);
        followed
    }

    /// Bytes held, by formula; 0 while somebody is asking.
    pub(crate) fn bytes(&self) -> usize {
        self.0.try_lock().map_or(0, |followed| followed.bytes())
    }
}

/// The incidents of one snapshot, found when asked for. Nothing is held for it: what asking costs is what changed since somebody
/// asked any snapshot last.
pub(crate) struct IncidentsOf {
    keeper: Arc<Keeper>,
    state: Arc<State>,
}

impl std::fmt::Debug for IncidentsOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IncidentsOf")
    }
}

impl IncidentsOf {
    pub(crate) fn new(keeper: Arc<Keeper>, state: Arc<State>) -> Self {
        Self { keeper, state }
    }

    /// Reads the list of all of them; others who ask wait meanwhile.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&List<'_>) -> T) -> T {
        let mut followed = self.keeper.at(&self.state);
        followed.list(&self.state);
        read(&List::new(&followed, &self.state))
    }

    /// The incident of every row of a segment, dead rows included as null: the id of its first report; null for a report that
    /// tells of no thing. Settles what changed since somebody asked last, and lists nothing.
    pub(crate) fn ids(&self, segment: &Segment) -> ArrayRef {
        let mut ids = StringViewBuilder::with_capacity(segment.rows.len());
        let slot = self.state.segments.iter().position(|other| other.as_ref().is_some_and(|other| other.id == segment.id));
        let followed = self.keeper.at(&self.state);
        let reports = &followed.reports;
        for row in 0..segment.rows.len() {
            let at = slot.and_then(|slot| reports.at(Place { segment: slot as u32, row: row as u32 }));
            let Some(number) = at else {
                ids.append_null();
                continue;
            };
            let opener = reports.all[reports.all[number as usize].speaker as usize].opener;
            // What tells of no thing is joined by links alone.
            let alone = opener == number && followed.links.together(&number).len() == 1;
            if alone && !tells_of_a_thing(&segment.rows, row) {
                ids.append_null();
            } else {
                ids.append_value(reports.id(&self.state, opener));
            }
        }
        Arc::new(ids.finish())
    }
}

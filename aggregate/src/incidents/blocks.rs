//! Openers in order, in blocks: a change touches the block where it belongs, and what is known of the others stays known.

use std::cmp::Ordering;
use std::sync::OnceLock;

use crate::cow::FastMap;
use crate::incidents::joined::Touched;
use crate::incidents::reports::{Number, Reports};
use crate::state::State;
use crate::tables::under_reporting::Exposure;
use crate::windows::Group;

/// Openers of a block when it is made; it is cut in two at twice as many.
const BLOCK: usize = 256;

/// No others told of it.
pub(crate) const ALONE: u32 = u32::MAX;

/// An incident in the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opener {
    /// The report that opened it.
    pub(crate) number: Number,
    /// Where what several reports told together is kept; [`ALONE`] if there is one report only.
    pub(crate) told: u32,
}

/// Openers one after the other, never none.
#[derive(Default)]
pub(crate) struct Block {
    pub(crate) openers: Vec<Opener>,
    /// Moment from which on nothing of it depends on the watermark any more.
    settled_us: OnceLock<i64>,
    /// Its incidents added up by district and topic, once it is settled.
    sums: OnceLock<Vec<(Group, Exposure)>>,
}

impl Block {
    fn of(openers: Vec<Opener>) -> Self {
        Self { openers, ..Self::default() }
    }

    /// Forgets what was known of it.
    fn changed(&mut self) {
        (self.settled_us, self.sums) = (OnceLock::new(), OnceLock::new());
    }

    /// Whether nothing of it can change with the watermark any more, were it to move on.
    pub(crate) fn is_settled(&self, reports: &Reports, watermark: i64) -> bool {
        let ends = || self.openers.iter().map(|opener| &reports.all[opener.number as usize]);
        watermark >= *self.settled_us.get_or_init(|| ends().map(|r| r.end_us.max(r.created_us)).max().unwrap_or(i64::MIN))
    }

    /// The sums, added up by whoever needs them first. The block is settled.
    pub(crate) fn sums(&self, add: impl FnOnce() -> FastMap<Group, Exposure>) -> &[(Group, Exposure)] {
        self.sums.get_or_init(|| add().into_iter().collect())
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.openers.capacity() * size_of::<Opener>()
            + self.sums.get().map_or(0, |sums| sums.capacity() * size_of::<(Group, Exposure)>())
    }
}

/// All openers by (`created_at`, `id`).
#[derive(Default)]
pub(crate) struct Blocks(Vec<Block>);

impl Blocks {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Block> {
        self.0.iter()
    }

    /// Takes out whoever was touched, handing it over.
    pub(crate) fn take(&mut self, touched: &Touched, mut taken: impl FnMut(Opener)) {
        for block in &mut self.0 {
            let before = block.openers.len();
            block.openers.retain(|opener| {
                let stays = !touched.contains(opener.number);
                if !stays {
                    taken(*opener);
                }
                stays
            });
            if block.openers.len() < before {
                block.changed();
            }
        }
        self.0.retain(|block| !block.openers.is_empty());
    }

    /// Puts in openers that are in order themselves.
    pub(crate) fn put(&mut self, state: &State, reports: &Reports, fresh: Vec<Opener>) {
        if self.0.is_empty() {
            self.0 = fresh.chunks(BLOCK).map(|openers| Block::of(openers.to_vec())).collect();
            return;
        }
        let before = |a: &Opener, b: &Opener| reports.precedence(state, a.number, b.number) == Ordering::Less;
        for opener in fresh {
            let later = self.0.partition_point(|block| block.openers.first().is_some_and(|first| before(first, &opener)));
            let at = later.saturating_sub(1);
            let block = &mut self.0[at];
            let place = block.openers.partition_point(|other| before(other, &opener));
            block.openers.insert(place, opener);
            block.changed();
            if block.openers.len() > 2 * BLOCK {
                let rest = block.openers.split_off(BLOCK);
                self.0.insert(at + 1, Block::of(rest));
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(Block::bytes).sum()
    }
}

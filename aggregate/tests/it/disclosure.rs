//! An attacker with everything that is public, who knows the rule, tries to work out what was withheld, and fails.
//!
//! The attacker shares no code with what he attacks: linear algebra finds the cells that the totals determine, and bounds are
//! tightened from row to column until nothing moves. That he is no straw man is shown on the same tables without complementary
//! suppression, and on a month that is published again after one more report.

use std::collections::BTreeMap;

use aggregate::disclosure::{Contributions, Release, release};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Cells = BTreeMap<(String, String), Contributions>;

const THRESHOLD: u64 = 10;

fn anonymous(reports: u64) -> Contributions {
    Contributions { reports, anonymous: reports, ..Contributions::default() }
}

fn random_month(random: &mut ChaCha8Rng, districts: usize, topics: usize) -> Cells {
    let mut cells = Cells::new();
    for district in 0..districts {
        for topic in 0..topics {
            let size = [0.5, 3.0, 12.0, 60.0][random.random_range(0..4usize)];
            let reports = (-size * random.random::<f64>().max(1e-9).ln()) as u64;
            cells.insert((format!("district {district}"), format!("topic {topic}")), anonymous(reports));
        }
    }
    cells
}

/// What the public sees: shown cells, and sums. The withheld ones are unknowns.
#[derive(Clone)]
struct Public {
    rows: usize,
    columns: usize,
    cells: Vec<Option<u64>>,
    row_totals: Vec<u64>,
    column_totals: Vec<u64>,
}

impl Public {
    fn of(release: &Release) -> Self {
        Self {
            rows: release.districts.len(),
            columns: release.topics.len(),
            cells: release.cells.clone(),
            row_totals: release.district_totals.clone(),
            column_totals: release.topic_totals.clone(),
        }
    }

    /// The same table with small cells withheld and nothing else.
    fn naive(counts: &[u64], rows: usize, columns: usize) -> Self {
        let shown = |n: &u64| (*n == 0 || *n >= THRESHOLD).then_some(*n);
        Self {
            rows,
            columns,
            cells: counts.iter().map(shown).collect(),
            row_totals: (0..rows).map(|r| (0..columns).map(|c| counts[r * columns + c]).sum()).collect(),
            column_totals: (0..columns).map(|c| (0..rows).map(|r| counts[r * columns + c]).sum()).collect(),
        }
    }

    /// Every equation: which unknowns add up to what.
    fn equations(&self) -> Vec<(Vec<usize>, u64)> {
        let line = |cells: Vec<usize>, total: u64| {
            let known: u64 = cells.iter().filter_map(|cell| self.cells[*cell]).sum();
            (cells.into_iter().filter(|cell| self.cells[*cell].is_none()).collect(), total - known)
        };
        let rows = (0..self.rows).map(|r| line((0..self.columns).map(|c| r * self.columns + c).collect(), self.row_totals[r]));
        let columns =
            (0..self.columns).map(|c| line((0..self.rows).map(|r| r * self.columns + c).collect(), self.column_totals[c]));
        rows.chain(columns).collect()
    }

    /// Unknowns that the equations determine: those whose column is alone in the reduced row echelon form.
    fn determined(&self) -> Vec<usize> {
        let unknowns: Vec<usize> = (0..self.cells.len()).filter(|cell| self.cells[*cell].is_none()).collect();
        let place = |cell: usize| unknowns.binary_search(&cell).unwrap();
        let mut matrix: Vec<Vec<f64>> = self
            .equations()
            .into_iter()
            .map(|(cells, _)| {
                let mut row = vec![0.0; unknowns.len()];
                cells.into_iter().for_each(|cell| row[place(cell)] = 1.0);
                row
            })
            .collect();
        let mut next = 0;
        for column in 0..unknowns.len() {
            let Some(pivot) = (next..matrix.len()).find(|row| matrix[*row][column].abs() > 1e-9) else { continue };
            matrix.swap(next, pivot);
            let scale = matrix[next][column];
            matrix[next].iter_mut().for_each(|x| *x /= scale);
            for row in (0..matrix.len()).filter(|row| *row != next) {
                let factor = matrix[row][column];
                if factor != 0.0 {
                    let pivot_row = matrix[next].clone();
                    matrix[row].iter_mut().zip(pivot_row).for_each(|(x, p)| *x -= factor * p);
                }
            }
            next += 1;
        }
        let alone = |row: &Vec<f64>| {
            let used: Vec<usize> = (0..row.len()).filter(|column| row[*column].abs() > 1e-9).collect();
            (used.len() == 1).then(|| unknowns[used[0]])
        };
        matrix.iter().filter_map(alone).collect()
    }

    /// Bounds of every unknown, tightened until nothing moves (the shuttle algorithm of Buzzigoli & Giusti 1999).
    fn bounds(&self) -> BTreeMap<usize, (i64, i64)> {
        let equations = self.equations();
        let unknowns = (0..self.cells.len()).filter(|cell| self.cells[*cell].is_none());
        let mut bounds: BTreeMap<usize, (i64, i64)> = unknowns.map(|cell| (cell, (1, i64::MAX / 4))).collect();
        loop {
            let before = bounds.clone();
            for (cells, total) in &equations {
                for cell in cells {
                    let others = || cells.iter().filter(|other| *other != cell).map(|other| before[other]);
                    let most = *total as i64 - others().map(|(low, _)| low).sum::<i64>();
                    let high: i64 = others().map(|(_, high)| high.min(1 << 40)).sum();
                    let known = bounds[cell];
                    bounds.insert(*cell, (known.0.max(*total as i64 - high), known.1.min(most)));
                }
            }
            if bounds == before {
                return bounds;
            }
        }
    }

    /// Small cells that the attacker knows: exactly, or to fewer values than the threshold.
    fn recovered(&self, small: impl Fn(usize) -> bool) -> usize {
        let determined = self.determined();
        let narrow = |(cell, (low, high)): (&usize, &(i64, i64))| {
            small(*cell) && (determined.contains(cell) || high - low + 1 < THRESHOLD as i64)
        };
        self.bounds().iter().filter(|bound| narrow(*bound)).count()
    }
}

/// The true counts in the order of a release's cells.
fn truth(release: &Release, cells: &Cells) -> Vec<u64> {
    let is_other = |name: &str| name.starts_with("(other");
    let within = |shown: &str, name: &str, all: &[String]| {
        shown == name || (is_other(shown) && !all.iter().any(|listed| listed == name))
    };
    let count = |d: &String, t: &String| {
        let inside = |(key, _): &(&(String, String), &Contributions)| {
            within(d, &key.0, &release.districts) && within(t, &key.1, &release.topics)
        };
        cells.iter().filter(inside).map(|(_, cell)| cell.reports).sum()
    };
    release.districts.iter().flat_map(|d| release.topics.iter().map(move |t| (d, t))).map(|(d, t)| count(d, t)).collect()
}

#[test]
fn margins_give_no_small_cell_away() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let (mut naive, mut small_cells, mut withheld, mut released) = (0, 0, 0, 0);
    for round in 0..120 {
        let (districts, topics) = (3 + round % 10, 3 + round % 7);
        let cells = random_month(&mut random, districts, topics);
        let Ok(release) = release(&cells, THRESHOLD) else { continue };
        released += 1;
        let truth = truth(&release, &cells);
        let small = |cell: usize| truth[cell] > 0 && truth[cell] < THRESHOLD;
        let public = Public::of(&release);
        for (cell, shown) in release.cells.iter().enumerate() {
            assert!(shown.is_none_or(|shown| shown == truth[cell]), "what is shown is true");
            assert!(!small(cell) || shown.is_none(), "a small cell is shown");
        }
        assert_eq!(public.recovered(small), 0, "round {round}: {release:?}");
        assert_eq!(release.total, truth.iter().sum::<u64>());
        small_cells += (0..truth.len()).filter(|cell| small(*cell)).count();
        withheld += release.cells.iter().filter(|cell| cell.is_none()).count();
        naive += Public::naive(&truth, release.districts.len(), release.topics.len()).recovered(small);
    }
    println!("{released} months: {small_cells} small cells, {withheld} withheld; {naive} recovered where only small ones are");
    assert!(released > 100 && small_cells > 1000);
    assert!(naive > 200, "the attacker must be able to succeed where nothing protects: {naive}");
}

/// Why a month is released once: the same month published again after one more report gives small cells away, whatever each of the
/// two tables withholds. The program keeps the first (`civicpulse publish`), so there is no second.
#[test]
fn a_month_published_twice_would_give_cells_away() {
    let mut random = ChaCha8Rng::seed_from_u64(12);
    let mut found = 0;
    for _ in 0..60 {
        let mut cells = random_month(&mut random, 6, 6);
        let Ok(before) = release(&cells, THRESHOLD) else { continue };
        // The attacker waits until one report comes, in a cell that is just below the threshold.
        let Some(edge) = cells.iter().find(|(_, cell)| cell.reports == THRESHOLD - 1).map(|(key, _)| key.clone()) else {
            continue;
        };
        cells.insert(edge.clone(), anonymous(THRESHOLD));
        let Ok(after) = release(&cells, THRESHOLD) else { continue };
        if before.districts != after.districts || before.topics != after.topics {
            continue;
        }
        let (d, t) = (before.districts.iter().position(|d| *d == edge.0), before.topics.iter().position(|t| *t == edge.1));
        let (Some(d), Some(t)) = (d, t) else { continue };
        let cell = d * before.topics.len() + t;
        found += usize::from(before.cells[cell].is_none() && after.cells[cell] == Some(THRESHOLD));
    }
    println!("{found} small cells known from two releases of one month");
    assert!(found > 0, "if this never happened, releasing once would not be needed");
}

#[test]
fn order_changes_nothing_and_two_hundred_districts_are_done_soon() {
    let mut random = ChaCha8Rng::seed_from_u64(13);
    let cells = random_month(&mut random, 200, 33);
    let found = release(&cells, THRESHOLD).unwrap();
    let turned: Cells = cells.iter().rev().map(|(key, cell)| (key.clone(), cell.clone())).collect();
    assert_eq!(release(&turned, THRESHOLD).unwrap(), found);
    let truth = truth(&found, &cells);
    assert_eq!(
        Public::of(&found)
            .bounds()
            .iter()
            .filter(|(cell, (low, high))| truth[**cell] < THRESHOLD && high - low + 1 < THRESHOLD as i64)
            .count(),
        0
    );
}

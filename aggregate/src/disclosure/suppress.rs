//! Which cells are withheld.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use feedback::Timestamp;

use super::Contributions;
use super::flow::Table;

/// A month that everybody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The districts, in order; the last may be [`OTHER_DISTRICTS`].
    pub districts: Vec<String>,
    /// The topics, in order; the last may be [`OTHER_TOPICS`].
    pub topics: Vec<String>,
    /// Reports by district, then topic; `None` is withheld.
    pub cells: Vec<Option<u64>>,
    /// Reports of each district.
    pub district_totals: Vec<u64>,
    /// Reports of each topic.
    pub topic_totals: Vec<u64>,
    /// All reports.
    pub total: u64,
}

/// Districts that are shown together.
pub const OTHER_DISTRICTS: &str = "(other districts)";

/// Topics that are shown together.
pub const OTHER_TOPICS: &str = "(other topics)";

/// Why nothing can be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// The threshold protects nobody.
    #[error("a threshold of {threshold} protects nobody: use 3 or more")]
    Threshold {
        /// What was asked for.
        threshold: u64,
    },
    /// Some of the reports have left memory.
    #[error("reports before {horizon} are no longer in memory (aggregate.retention_days): a release would miss them")]
    Forgotten {
        /// Where memory begins.
        horizon: Timestamp,
    },
    /// Too little in the month.
    #[error(
        "too few contributors to show anything: no table of two districts and two topics has {threshold} in each margin and can be protected"
    )]
    TooFew {
        /// Fewest contributors of a shown cell.
        threshold: u64,
    },
}

/// Lowest threshold that means something.
const LEAST_THRESHOLD: u64 = 3;

/// The table of a month, small cells withheld, and what would give them away. The order of the cells changes nothing.
///
/// A cell is small when fewer than `threshold` people contributed to it. For every small cell, the counts that are compatible with
/// all that is shown span at least `threshold` values (more for a large count that few people made: half of it).
pub fn release(cells: &BTreeMap<(String, String), Contributions>, threshold: u64) -> Result<Release, Withheld> {
    if threshold < LEAST_THRESHOLD {
        return Err(Withheld::Threshold { threshold });
    }
    let mut groups = Groups::default();
    // Each round puts at least one more district or topic together with others, so there are few.
    loop {
        let month = groups.put_together(cells, threshold);
        if month.districts.len() < 2 || month.topics.len() < 2 {
            return Err(Withheld::TooFew { threshold });
        }
        match month.protect(threshold) {
            Ok(withheld) => return Ok(month.show(&withheld)),
            Err((district, topic)) => groups.fold(&month, district, topic),
        }
    }
}

/// What is shown together.
#[derive(Default)]
struct Groups {
    districts: Vec<String>,
    topics: Vec<String>,
}

/// The contributions by shown district and topic.
struct Month {
    districts: Vec<String>,
    topics: Vec<String>,
    cells: Vec<Contributions>,
}

impl Groups {
    /// The month with the groups put together, and with every district and topic of fewer than `threshold` contributors among them.
    fn put_together(&mut self, cells: &BTreeMap<(String, String), Contributions>, threshold: u64) -> Month {
        loop {
            let month = self.month(cells);
            let small = |names: &[String], of: &dyn Fn(usize) -> u64, other: &str| {
                let small = (0..names.len()).filter(|&i| of(i) < threshold).min_by_key(|&i| (names[i] == other, of(i)))?;
                if names[small] != other {
                    return Some(names[small].clone());
                }
                // What is together is still too small: the smallest of the others joins it.
                (0..names.len()).filter(|&i| i != small).min_by_key(|&i| of(i)).map(|i| names[i].clone())
            };
            if let Some(name) = small(&month.districts, &|i| month.of_district(i), OTHER_DISTRICTS) {
                self.districts.push(name);
            } else if let Some(name) = small(&month.topics, &|i| month.of_topic(i), OTHER_TOPICS) {
                self.topics.push(name);
            } else {
                return month;
            }
        }
    }

    fn month(&self, cells: &BTreeMap<(String, String), Contributions>) -> Month {
        let district = |name: &String| if self.districts.contains(name) { OTHER_DISTRICTS.to_owned() } else { name.clone() };
        let topic = |name: &String| if self.topics.contains(name) { OTHER_TOPICS.to_owned() } else { name.clone() };
        let mut sums: BTreeMap<(String, String), Contributions> = BTreeMap::new();
        for ((d, t), cell) in cells.iter().filter(|(_, cell)| cell.reports > 0) {
            sums.entry((district(d), topic(t))).or_default().absorb(cell);
        }
        let listed = |names: std::collections::BTreeSet<&String>, other: &str| {
            let mut names: Vec<String> = names.into_iter().cloned().collect();
            names.sort_by_key(|name| (name == other, name.clone()));
            names
        };
        let districts = listed(sums.keys().map(|(d, _)| d).collect(), OTHER_DISTRICTS);
        let topics = listed(sums.keys().map(|(_, t)| t).collect(), OTHER_TOPICS);
        let cell = |d: &String, t: &String| sums.get(&(d.clone(), t.clone())).cloned().unwrap_or_default();
        let cells = districts.iter().flat_map(|d| topics.iter().map(move |t| (d, t))).map(|(d, t)| cell(d, t)).collect();
        Month { districts, topics, cells }
    }

    /// Puts the district or the topic of a cell that cannot be protected together with others: the smaller of the two.
    fn fold(&mut self, month: &Month, district: usize, topic: usize) {
        let free = |name: &str, other: &str| name != other;
        let (d, t) = (&month.districts[district], &month.topics[topic]);
        let by_district =
            free(d, OTHER_DISTRICTS) && (!free(t, OTHER_TOPICS) || month.of_district(district) <= month.of_topic(topic));
        if by_district {
            self.districts.push(d.clone());
        } else if free(t, OTHER_TOPICS) {
            self.topics.push(t.clone());
        } else if let Some(next) = (0..month.districts.len()).filter(|&i| i != district).min_by_key(|&i| month.of_district(i)) {
            self.districts.push(month.districts[next].clone());
        }
        // A group of one is nobody's hiding place: it takes the smallest of the others along.
        if self.districts.len() == 1 {
            let single = |i: &usize| month.districts[*i] != self.districts[0];
            let next = (0..month.districts.len()).filter(single).min_by_key(|&i| month.of_district(i));
            self.districts.extend(next.map(|i| month.districts[i].clone()));
        }
        if self.topics.len() == 1 {
            let single = |i: &usize| month.topics[*i] != self.topics[0];
            let next = (0..month.topics.len()).filter(single).min_by_key(|&i| month.of_topic(i));
            self.topics.extend(next.map(|i| month.topics[i].clone()));
        }
    }
}

impl Month {
    fn at(&self, district: usize, topic: usize) -> usize {
        district * self.topics.len() + topic
    }

    fn of_district(&self, district: usize) -> u64 {
        let mut all = Contributions::default();
        (0..self.topics.len()).for_each(|topic| all.absorb(&self.cells[self.at(district, topic)]));
        all.contributors()
    }

    fn of_topic(&self, topic: usize) -> u64 {
        let mut all = Contributions::default();
        (0..self.districts.len()).for_each(|district| all.absorb(&self.cells[self.at(district, topic)]));
        all.contributors()
    }

    /// Which cells are withheld, or the first small one that cannot be protected.
    fn protect(&self, threshold: u64) -> Result<Table, (usize, usize)> {
        let mut table = Table {
            rows: self.districts.len(),
            columns: self.topics.len(),
            counts: self.cells.iter().map(|cell| cell.reports).collect(),
            withheld: self.cells.iter().map(|cell| cell.reports > 0 && cell.contributors() < threshold).collect(),
        };
        let mut small: Vec<(u64, usize, usize)> = (0..table.rows)
            .flat_map(|row| (0..table.columns).map(move |column| (row, column)))
            .filter(|(row, column)| table.withheld[self.at(*row, *column)])
            .map(|(row, column)| (self.cells[self.at(row, column)].reports, row, column))
            .collect();
        small.sort_unstable();
        for (count, row, column) in small {
            let needed = (threshold - 1).max(count.div_ceil(2));
            while table.leeway(row, column, needed) < needed {
                let more = cheapest(&table, row, column, needed).or_else(|| cheapest(&table, row, column, 1));
                match more {
                    Some(cells) if !cells.is_empty() => cells.into_iter().for_each(|cell| table.withheld[cell] = true),
                    _ => return Err((row, column)),
                }
            }
        }
        Ok(table)
    }

    fn show(&self, table: &Table) -> Release {
        let shown = |cell: usize| (!table.withheld[cell]).then_some(table.counts[cell]);
        let row = |row: usize| (0..table.columns).map(|column| table.counts[table.at(row, column)]).sum();
        let column = |column: usize| (0..table.rows).map(|row| table.counts[table.at(row, column)]).sum();
        Release {
            districts: self.districts.clone(),
            topics: self.topics.clone(),
            cells: (0..table.counts.len()).map(shown).collect(),
            district_totals: (0..table.rows).map(row).collect(),
            topic_totals: (0..table.columns).map(column).collect(),
            total: table.counts.iter().sum(),
        }
    }
}

/// The cells to withhold so that a small one can grow by `carries`: the way from its row to its column that loses the fewest
/// reports (Dijkstra). Empty where the way is withheld already; `None` where there is none.
fn cheapest(table: &Table, row: usize, column: usize, carries: u64) -> Option<Vec<usize>> {
    let nodes = table.rows + table.columns;
    let mut best: Vec<u64> = vec![u64::MAX; nodes];
    let mut from: Vec<Option<(usize, usize)>> = vec![None; nodes];
    let mut heap = BinaryHeap::from([Reverse((0u64, row))]);
    best[row] = 0;
    while let Some(Reverse((cost, node))) = heap.pop() {
        if cost > best[node] {
            continue;
        }
        let along_row = node < table.rows;
        let others = if along_row { table.columns } else { table.rows };
        for other in 0..others {
            let (cell, next) = if along_row {
                (table.at(node, other), table.rows + other)
            } else {
                (table.at(other, node - table.rows), other)
            };
            let count = table.counts[cell];
            // Along a row the way takes from the cell and leaves at least 1; a zero stays shown.
            let usable = count > 0 && cell != table.at(row, column) && (!along_row || count > carries);
            // One more for each cell: of equal losses, fewer cells.
            let lost = if table.withheld[cell] { 0 } else { count.saturating_add(1) };
            let next_cost = cost.saturating_add(lost);
            if usable && next_cost < best[next] {
                best[next] = next_cost;
                from[next] = Some((node, cell));
                heap.push(Reverse((next_cost, next)));
            }
        }
    }
    let mut here = table.rows + column;
    from[here]?;
    let mut cells = Vec::new();
    while let Some((before, cell)) = from[here] {
        cells.extend((!table.withheld[cell]).then_some(cell));
        here = before;
    }
    Some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(counts: &[(&str, &str, u64)]) -> BTreeMap<(String, String), Contributions> {
        let anonymous = |n| Contributions { reports: n, anonymous: n, ..Contributions::default() };
        counts.iter().map(|(d, t, n)| (((*d).to_owned(), (*t).to_owned()), anonymous(*n))).collect()
    }

    /// The worked example of docs/methods/disclosure.md.
    #[test]
    fn the_worked_example() {
        let counts = [
            ("North", "noise", 3),
            ("North", "roads", 40),
            ("North", "trees", 25),
            ("South", "noise", 30),
            ("South", "roads", 22),
            ("South", "trees", 18),
            ("West", "noise", 20),
            ("West", "roads", 35),
            ("West", "trees", 50),
        ];
        let release = release(&cells(&counts), 5).unwrap();
        assert_eq!(release.district_totals, [68, 70, 105]);
        // The 3 is small; 25 of its row, 20 of its column and the 50 where they cross, or 18 and 30: the loss is least with the latter.
        let withheld: Vec<usize> = (0..9).filter(|&cell| release.cells[cell].is_none()).collect();
        assert_eq!(withheld, [0, 2, 3, 5]);
        assert_eq!(release.cells[1], Some(40));
    }

    #[test]
    fn what_is_too_small_is_shown_together_or_not_at_all() {
        let counts = [
            ("A", "roads", 30),
            ("A", "noise", 30),
            ("B", "roads", 30),
            ("B", "noise", 30),
            ("C", "roads", 2),
            ("D", "noise", 4),
        ];
        let found = release(&cells(&counts), 5).unwrap();
        assert_eq!(found.districts, ["A", "B", OTHER_DISTRICTS]);
        assert_eq!(found.total, 126);
        assert!(matches!(release(&cells(&counts[..1]), 5), Err(Withheld::TooFew { threshold: 5 })));
        assert!(matches!(release(&BTreeMap::new(), 5), Err(Withheld::TooFew { .. })));
        assert!(matches!(release(&cells(&counts), 2), Err(Withheld::Threshold { threshold: 2 })));
    }

    #[test]
    fn many_reports_of_one_person_are_few_contributors() {
        let mut counts = cells(&[("A", "noise", 40), ("B", "roads", 40), ("B", "noise", 40)]);
        let one = Contributions { reports: 60, anonymous: 0, authors: [7].into() };
        counts.insert(("A".to_owned(), "roads".to_owned()), one);
        let found = release(&counts, 5).unwrap();
        assert_eq!(found.cells[found.topics.iter().position(|t| t == "roads").unwrap()], None);
    }
}

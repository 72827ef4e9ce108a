//! How far a withheld cell can move while every total stays: exact bounds by maximum flow.
//!
//! A table with the same totals differs from the true one along circles: up in one cell, down in another of its row, up in
//! another of that one's column, and so on. So the most by which a cell can grow is the maximum flow from its row to its column
//! through the other withheld cells, where going along a row takes from a cell (never below 1) and along a column gives to one.

use std::collections::VecDeque;

/// A two-way table of counts and which of them are withheld.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Row by row.
    pub(super) counts: Vec<u64>,
    pub(super) withheld: Vec<bool>,
}

/// Smallest count of a withheld cell: a zero is always shown.
const LEAST: u64 = 1;

impl Table {
    pub(super) fn at(&self, row: usize, column: usize) -> usize {
        row * self.columns + column
    }

    /// How many values between the bounds of a withheld cell lie beside the true one, counted up to `enough`.
    pub(super) fn leeway(&self, row: usize, column: usize, enough: u64) -> u64 {
        let up = self.room(row, column, enough, true);
        if up >= enough {
            return up;
        }
        let down = self.room(row, column, enough, false).min(self.counts[self.at(row, column)] - LEAST);
        up + down
    }

    /// The most by which a cell can grow (or shrink), up to `enough`.
    fn room(&self, row: usize, column: usize, enough: u64, up: bool) -> u64 {
        let mut counts = self.counts.clone();
        let target = self.at(row, column);
        let mut flow = 0;
        // Each path is a shortest one and carries at least 1, so there are at most `enough`.
        while flow < enough {
            let Some(path) = self.path(&counts, row, column, up) else { break };
            // Cells alternate: the first is in the row, the last in the column. Growing takes from both.
            let taken = |step: usize| step.is_multiple_of(2) == up;
            let most = path.iter().enumerate().filter(|(step, _)| taken(*step)).map(|(_, cell)| counts[*cell] - LEAST).min();
            let moved = most.unwrap_or(enough - flow).min(enough - flow);
            for (step, cell) in path.iter().enumerate() {
                debug_assert!(*cell != target);
                if taken(step) { counts[*cell] -= moved } else { counts[*cell] += moved }
            }
            flow += moved;
        }
        flow
    }

    /// The cells of a shortest way from the row to the column through withheld cells that can give (or take) on it.
    fn path(&self, counts: &[u64], row: usize, column: usize, up: bool) -> Option<Vec<usize>> {
        let nodes = self.rows + self.columns;
        let mut from: Vec<Option<(usize, usize)>> = vec![None; nodes];
        let mut queue = VecDeque::from([row]);
        let mut seen = vec![false; nodes];
        seen[row] = true;
        while let Some(node) = queue.pop_front() {
            if node == self.rows + column {
                let mut path = Vec::new();
                let mut here = node;
                while let Some((before, cell)) = from[here] {
                    path.push(cell);
                    here = before;
                }
                path.reverse();
                return Some(path);
            }
            let along_row = node < self.rows;
            let others = if along_row { self.columns } else { self.rows };
            for other in 0..others {
                let (cell, next) = if along_row {
                    (self.at(node, other), self.rows + other)
                } else {
                    (self.at(other, node - self.rows), other)
                };
                let gives = counts[cell] > LEAST;
                let usable = self.withheld[cell] && cell != self.at(row, column) && (along_row != up || gives);
                if usable && !seen[next] {
                    seen[next] = true;
                    from[next] = Some((node, cell));
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every table of withheld counts of at least 1 with the same totals, by trying all.
    fn bounds(table: &Table, row: usize, column: usize) -> (u64, u64) {
        fn fill(table: &Table, at: usize, values: &mut Vec<u64>, found: &mut Vec<Vec<u64>>) {
            let cells = table.rows * table.columns;
            if at == cells {
                let row_sum = |v: &[u64], r: usize| (0..table.columns).map(|c| v[table.at(r, c)]).sum::<u64>();
                let column_sum = |v: &[u64], c: usize| (0..table.rows).map(|r| v[table.at(r, c)]).sum::<u64>();
                let same = (0..table.rows).all(|r| row_sum(values, r) == row_sum(&table.counts, r))
                    && (0..table.columns).all(|c| column_sum(values, c) == column_sum(&table.counts, c));
                if same {
                    found.push(values.clone());
                }
                return;
            }
            let row = at / table.columns;
            let most: u64 = (0..table.columns).map(|c| table.counts[table.at(row, c)]).sum();
            let choices = if table.withheld[at] { 1..=most } else { table.counts[at]..=table.counts[at] };
            for value in choices {
                values.push(value);
                fill(table, at + 1, values, found);
                values.pop();
            }
        }
        let mut found = Vec::new();
        fill(table, 0, &mut Vec::new(), &mut found);
        let of_cell = || found.iter().map(|values| values[table.at(row, column)]);
        (of_cell().min().unwrap(), of_cell().max().unwrap())
    }

    #[test]
    fn by_hand() {
        // 3 5 | 8
        // 4 6 | 10: the first can go from 1 (1 7 / 6 4) to 7 (7 1 / ... no: 4 and 5 give at most 3 and 4) 6.
        let table = Table { rows: 2, columns: 2, counts: vec![3, 5, 4, 6], withheld: vec![true; 4] };
        assert_eq!(bounds(&table, 0, 0), (1, 6));
        assert_eq!(table.leeway(0, 0, 100), 5);
        let alone = Table { withheld: vec![true, false, false, false], ..table };
        assert_eq!(alone.leeway(0, 0, 100), 0, "a single one is its row's total less the rest");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn as_trying_every_table(
            counts in prop::collection::vec(1u64..5, 9),
            withheld in prop::collection::vec(any::<bool>(), 9),
        ) {
            let table = Table { rows: 3, columns: 3, counts, withheld };
            for row in 0..3 {
                for column in 0..3 {
                    if table.withheld[table.at(row, column)] {
                        let (low, high) = bounds(&table, row, column);
                        prop_assert_eq!(table.leeway(row, column, 1000), high - low);
                    }
                }
            }
        }
    }
}

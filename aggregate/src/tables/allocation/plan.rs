//! Which needs to meet under a total so that most is met: a linear program, made whole.
//!
//! With `x` units for an item of value `v` a unit and at most `n` units of need, under lines that each have a unit cost, a capacity and a
//! fixed minimum: the largest sum of `v x`, such that the units of each line lie between its minimum and its capacity, and what all
//! units cost is at most the total. The linear program (crate `clarabel`, an interior-point method) bounds every plan from above, and its
//! dual prices the total. Units are whole: the solution is rounded down, up again where a minimum needs it, filled up with the money
//! that is left, and improved by exchanges. How far the plan may be from the best is known, because the bound is.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, NonnegativeConeT, SolverStatus};

/// Exchanges that improve a rounded plan, at most.
pub const MAX_EXCHANGES: usize = 1_000;

/// Items at the edge of what is funded that take part in exchanges, on either side: further away there is nothing to gain.
const EDGE: usize = 64;

/// Needs that are met at one price.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Money for one unit.
    pub unit_cost: f64,
    /// Most units; `None` is no bound.
    pub capacity: Option<u64>,
    /// Units that are paid for in any case.
    pub minimum: u64,
    /// Positions of the items whose needs it meets.
    pub items: Vec<usize>,
}

/// What can be funded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    /// The lines; an item belongs to one at most.
    pub lines: Vec<Line>,
    /// Units of need, by item.
    pub needs: Vec<u64>,
}

/// Units by item.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Whole units, by item.
    pub units: Vec<u64>,
    /// Units that a minimum pays for beyond the need that is known, by line.
    pub idle: Vec<u64>,
    /// By how much of its value the best plan could be better at most.
    pub gap: f64,
}

/// What the linear program says: parts of units are allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Relaxed {
    /// Units, by item.
    pub units: Vec<f64>,
    /// Their value.
    pub value: f64,
    /// Value that one more unit of money would buy.
    pub price: f64,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A total that is no amount.
    #[error("a total of {0}: give an amount of money that is 0 or more")]
    Total(f64),
    /// Less money than what is paid in any case.
    #[error(
        "the fixed minimums of `budgets` cost {minimum:.2}, and the total is {total:.2}: raise the total, or lower fixed_minimum"
    )]
    Minimum {
        /// What the minimums cost.
        minimum: f64,
        /// What there is.
        total: f64,
    },
    /// The solver gave up.
    #[error("the solver found no plan ({0}): unit costs or needs of `budgets` may be too far apart")]
    Solver(String),
}

impl Model {
    /// A whole-numbered plan under a total, given the value of a unit of each item (not negative), and how far it may be from the best.
    pub fn plan(&self, values: &[f64], total: f64) -> Result<Plan, PlanError> {
        let relaxed = self.relaxed(values, total)?;
        let mut plan = self.rounded(&relaxed.units, values, total);
        self.fill(&mut plan, values, total);
        self.exchange(&mut plan, values, total);
        let missing = (relaxed.value - worth(&plan.units, values)).max(0.0);
        plan.gap = if relaxed.value > SMALLEST { missing / relaxed.value } else { 0.0 };
        Ok(plan)
    }

    /// The linear program's answer.
    pub fn relaxed(&self, values: &[f64], total: f64) -> Result<Relaxed, PlanError> {
        self.check(total)?;
        let idle = self.idle();
        let idle_cost: f64 = self.lines.iter().zip(&idle).map(|(line, idle)| line.unit_cost * *idle as f64).sum();
        let program = Program::of(self, &idle);
        if program.items.is_empty() {
            return Ok(Relaxed { units: vec![0.0; self.needs.len()], value: 0.0, price: 0.0 });
        }
        let (found, price) = program.solve(values, total - idle_cost)?;
        let mut units = vec![0.0; self.needs.len()];
        for (item, x) in program.items.iter().zip(found) {
            units[*item] = x.clamp(0.0, self.needs[*item] as f64);
        }
        let value = units.iter().zip(values).map(|(units, value)| units * value).sum();
        let highest = self.by_value_per_cost(values).first().map_or(0.0, |(item, line)| values[*item] / line.unit_cost);
        // The solver stops short of 0.
        Ok(Relaxed { units, value, price: if price > SMALLEST * highest { price } else { 0.0 } })
    }

    /// What a little more money would bring, in value for one unit of money: the slope to the right of the total.
    pub fn shadow_price(&self, values: &[f64], total: f64) -> Result<f64, PlanError> {
        let cheapest = self.lines.iter().map(|line| line.unit_cost).fold(f64::INFINITY, f64::min);
        if !cheapest.is_finite() {
            return Ok(0.0);
        }
        // Just beyond the total: at the total itself a need may end, and the price is any between two.
        Ok(self.relaxed(values, total + PRICE_STEP * cheapest)?.price)
    }

    /// What all units of a plan cost.
    pub fn cost(&self, plan: &Plan) -> f64 {
        self.lines.iter().zip(&plan.idle).map(|(line, idle)| line.unit_cost * (self.units(line, plan) + idle) as f64).sum()
    }

    /// Units of a line that meet a need.
    fn units(&self, line: &Line, plan: &Plan) -> u64 {
        line.items.iter().map(|item| plan.units[*item]).sum()
    }

    /// Units that the minimums pay for beyond all need, by line.
    fn idle(&self) -> Vec<u64> {
        self.lines.iter().map(|line| line.minimum.saturating_sub(self.need(line))).collect()
    }

    fn need(&self, line: &Line) -> u64 {
        line.items.iter().map(|item| self.needs[*item]).sum()
    }

    fn check(&self, total: f64) -> Result<(), PlanError> {
        if !(total.is_finite() && total >= 0.0) {
            return Err(PlanError::Total(total));
        }
        let minimum: f64 = self.lines.iter().map(|line| line.unit_cost * line.minimum as f64).sum();
        if minimum > total {
            return Err(PlanError::Minimum { minimum, total });
        }
        Ok(())
    }

    /// Rounded down, and up again where a minimum needs it.
    fn rounded(&self, relaxed: &[f64], values: &[f64], total: f64) -> Plan {
        let units = relaxed.iter().map(|x| (x + ROUNDING).floor() as u64).zip(&self.needs).map(|(x, need)| x.min(*need));
        let mut plan = Plan { units: units.collect(), idle: self.idle(), gap: 0.0 };
        for (position, line) in self.lines.iter().enumerate() {
            let mut by_rest = line.items.clone();
            by_rest.sort_by(|a, b| relaxed[*b].fract().total_cmp(&relaxed[*a].fract()).then(a.cmp(b)));
            let mut missing = line.minimum.saturating_sub(plan.idle[position] + self.units(line, &plan));
            for item in by_rest {
                let more = missing.min(self.needs[item] - plan.units[item]);
                plan.units[item] += more;
                missing -= more;
            }
            let capacity = line.capacity.unwrap_or(u64::MAX);
            while self.units(line, &plan) > capacity && self.take_back(line, &mut plan, values) {}
        }
        while self.cost(&plan) > total {
            let above =
                self.lines.iter().zip(&plan.idle).filter(|(line, idle)| self.units(line, &plan) + **idle > line.minimum);
            let least = above.filter_map(|(line, _)| Some((line, self.least(line, &plan, values)? / line.unit_cost)));
            let Some((line, _)) = least.min_by(|a, b| a.1.total_cmp(&b.1)) else { break };
            if !self.take_back(line, &mut plan, values) {
                break;
            }
        }
        plan
    }

    /// The smallest value of a unit that a line funds.
    fn least(&self, line: &Line, plan: &Plan, values: &[f64]) -> Option<f64> {
        line.items.iter().filter(|item| plan.units[**item] > 0).map(|item| values[*item]).min_by(f64::total_cmp)
    }

    /// Takes back that unit; false where none is funded.
    fn take_back(&self, line: &Line, plan: &mut Plan, values: &[f64]) -> bool {
        let funded = line.items.iter().filter(|item| plan.units[**item] > 0);
        let Some(item) = funded.min_by(|a, b| values[**a].total_cmp(&values[**b]).then(a.cmp(b))) else { return false };
        plan.units[*item] -= 1;
        true
    }

    /// Spends what is left where it buys most.
    fn fill(&self, plan: &mut Plan, values: &[f64], total: f64) {
        let mut left = total - self.cost(plan);
        for (item, line) in self.by_value_per_cost(values) {
            let units = self.affordable(left, line).min(self.room(item, line, plan));
            plan.units[item] += units;
            left -= units as f64 * line.unit_cost;
        }
    }

    /// Replaces units by others that are worth more for the same money, until nothing at the edge is: one unit makes way for several,
    /// or several for one.
    fn exchange(&self, plan: &mut Plan, values: &[f64], total: f64) {
        let ordered = self.by_value_per_cost(values);
        for _ in 0..MAX_EXCHANGES {
            let left = total - self.cost(plan);
            let wanted: Vec<(usize, &Line)> =
                ordered.iter().filter(|(item, line)| self.room(*item, line, plan) > 0).take(EDGE).copied().collect();
            let given: Vec<(usize, &Line)> =
                ordered.iter().rev().filter(|(item, _)| plan.units[*item] > 0).take(EDGE).copied().collect();
            let pairs = wanted.iter().flat_map(|to| given.iter().map(move |from| (*from, *to)));
            let swaps = pairs.filter(|(from, to)| from.0 != to.0).flat_map(|(from, to)| {
                [self.several_for_one(from, to, left, plan), self.one_for_several(from, to, left, plan)]
                    .map(|swap| (from, to, swap))
            });
            let gains = swaps.filter_map(|(from, to, swap)| {
                let (less, more) = swap?;
                let gain = more as f64 * values[to.0] - less as f64 * values[from.0];
                (gain > SMALLEST).then_some((gain, from.0, to.0, less, more))
            });
            let Some((_, from, to, less, more)) = gains.max_by(|a, b| a.0.total_cmp(&b.0)) else { return };
            plan.units[from] -= less;
            plan.units[to] += more;
        }
    }

    /// As many units of `from` as one unit of `to` needs the money of.
    fn several_for_one(&self, from: (usize, &Line), to: (usize, &Line), left: f64, plan: &Plan) -> Option<(u64, u64)> {
        let less = ((to.1.unit_cost - left) / from.1.unit_cost).ceil().max(1.0) as u64;
        self.allowed(from, to, (less, 1), left, plan)
    }

    /// As many units of `to` as one unit of `from` pays for.
    fn one_for_several(&self, from: (usize, &Line), to: (usize, &Line), left: f64, plan: &Plan) -> Option<(u64, u64)> {
        let room = self.needs[to.0] - plan.units[to.0];
        let more = self.affordable(left + from.1.unit_cost, to.1).min(room);
        (more > 0).then_some(())?;
        self.allowed(from, to, (1, more), left, plan)
    }

    fn allowed(
        &self,
        from: (usize, &Line),
        to: (usize, &Line),
        (less, more): (u64, u64),
        left: f64,
        plan: &Plan,
    ) -> Option<(u64, u64)> {
        let same = std::ptr::eq(from.1, to.1);
        let after_from = (self.units(from.1, plan) + if same { more } else { 0 }).checked_sub(less)?;
        let after_to = self.units(to.1, plan) + more - if same { less.min(self.units(to.1, plan)) } else { 0 };
        let keeps = less <= plan.units[from.0]
            && after_from >= from.1.minimum.min(self.need(from.1))
            && to.1.capacity.is_none_or(|capacity| after_to <= capacity)
            && more as f64 * to.1.unit_cost <= left + less as f64 * from.1.unit_cost;
        keeps.then_some((less, more))
    }

    fn affordable(&self, money: f64, line: &Line) -> u64 {
        (money / line.unit_cost).floor().max(0.0) as u64
    }

    /// Units that an item can still get.
    fn room(&self, item: usize, line: &Line, plan: &Plan) -> u64 {
        let of_line = line.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.units(line, plan)));
        of_line.min(self.needs[item] - plan.units[item])
    }

    /// Every item that a line pays for, where money buys most first.
    fn by_value_per_cost(&self, values: &[f64]) -> Vec<(usize, &Line)> {
        let items = self.lines.iter().flat_map(|line| line.items.iter().map(move |item| (*item, line)));
        let mut items: Vec<(usize, &Line)> = items.collect();
        let per_cost = |(item, line): &(usize, &Line)| values[*item] / line.unit_cost;
        items.sort_by(|a, b| per_cost(b).total_cmp(&per_cost(a)).then(a.0.cmp(&b.0)));
        items
    }
}

/// The value of units.
fn worth(units: &[u64], values: &[f64]) -> f64 {
    units.iter().zip(values).map(|(units, value)| *units as f64 * value).sum()
}

/// What the interior-point method may be off by: this near to a whole number is it.
const ROUNDING: f64 = 1e-4;

/// A gain that is smaller is none.
const SMALLEST: f64 = 1e-9;

/// The step of a shadow price, in units of the cheapest line: so small that no other need becomes the next one on the way.
const PRICE_STEP: f64 = 0.01;

/// The linear program as the solver takes it: `rows x <= bounds`.
struct Program {
    /// The items with a need and a line, in the order of the variables.
    items: Vec<usize>,
    /// Money of the dearest line: the unit of the first row, so that coefficients lie near 1.
    dearest: f64,
    columns: Vec<Vec<(usize, f64)>>,
    /// Of all rows but the first, which is the total.
    bounds: Vec<f64>,
}

impl Program {
    fn of(model: &Model, idle: &[u64]) -> Self {
        let dearest = model.lines.iter().map(|line| line.unit_cost).fold(f64::MIN_POSITIVE, f64::max);
        let mut program = Self { items: Vec::new(), dearest, columns: Vec::new(), bounds: Vec::new() };
        for (line, idle) in model.lines.iter().zip(idle) {
            let first = program.items.len();
            for &item in line.items.iter().filter(|item| model.needs[**item] > 0) {
                program.items.push(item);
                program.columns.push(vec![(0, line.unit_cost / dearest)]);
            }
            let own = first..program.items.len();
            let need = model.need(line);
            if let Some(capacity) = line.capacity.filter(|capacity| *capacity < need) {
                program.bound(own.clone(), 1.0, capacity as f64);
            }
            if line.minimum > *idle {
                program.bound(own, -1.0, -((line.minimum - idle) as f64));
            }
        }
        for variable in 0..program.items.len() {
            program.bound(variable..variable + 1, 1.0, model.needs[program.items[variable]] as f64);
            program.bound(variable..variable + 1, -1.0, 0.0);
        }
        program
    }

    fn bound(&mut self, variables: std::ops::Range<usize>, sign: f64, bound: f64) {
        self.bounds.push(bound);
        let row = self.bounds.len();
        self.columns[variables].iter_mut().for_each(|column| column.push((row, sign)));
    }

    /// Units by variable, and the price of money.
    fn solve(&self, values: &[f64], money: f64) -> Result<(Vec<f64>, f64), PlanError> {
        let (rows, variables) = (1 + self.bounds.len(), self.items.len());
        let mut starts = vec![0];
        let (mut row_of, mut entries) = (Vec::new(), Vec::new());
        for column in &self.columns {
            row_of.extend(column.iter().map(|(row, _)| *row));
            entries.extend(column.iter().map(|(_, entry)| *entry));
            starts.push(entries.len());
        }
        let matrix = CscMatrix::new(rows, variables, starts, row_of, entries);
        let gains: Vec<f64> = self.items.iter().map(|item| -values[*item]).collect();
        let mut bounds = vec![money.max(0.0) / self.dearest];
        bounds.extend(&self.bounds);
        let settings = DefaultSettings { verbose: false, max_threads: 1, ..DefaultSettings::default() };
        let quadratic = CscMatrix::zeros((variables, variables));
        let cones = [NonnegativeConeT(rows)];
        let mut solver = DefaultSolver::new(&quadratic, &gains, &matrix, &bounds, &cones, settings);
        solver.solve();
        let solution = solver.solution;
        match solution.status {
            SolverStatus::Solved | SolverStatus::AlmostSolved => Ok((solution.x, solution.z[0].max(0.0) / self.dearest)),
            status => Err(PlanError::Solver(format!("{status:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(unit_cost: f64, capacity: Option<u64>, minimum: u64, items: &[usize]) -> Line {
        Line { unit_cost, capacity, minimum, items: items.to_vec() }
    }

    #[test]
    fn a_small_plan_by_hand() {
        // 10 potholes at 3, 5 trees at 10, values 0.3 and 0.9: a tree brings 0.09 a unit of money, a pothole 0.1.
        let model = Model { lines: vec![line(3.0, None, 0, &[0]), line(10.0, None, 0, &[1])], needs: vec![10, 5] };
        let plan = |total| model.plan(&[0.3, 0.9], total).unwrap().units;
        assert_eq!(plan(0.0), [0, 0]);
        assert_eq!(plan(9.0), [3, 0]);
        assert_eq!(plan(50.0), [10, 2]);
        assert_eq!(plan(39.5), [9, 1], "the tenth pothole makes way for a tree, because whole units have to fit");
        assert_eq!(plan(1000.0), [10, 5]);
        let price = |total| model.shadow_price(&[0.3, 0.9], total).unwrap();
        assert!((price(0.0) - 0.1).abs() < 1e-6 && (price(35.0) - 0.09).abs() < 1e-6 && price(80.0).abs() < 1e-6);
    }

    #[test]
    fn capacities_and_minimums_hold() {
        let model = Model {
            lines: vec![line(1.0, Some(4), 0, &[0, 1]), line(2.0, None, 3, &[2]), line(5.0, None, 2, &[])],
            needs: vec![3, 9, 2],
        };
        // The minimums take 3 x 2 (a unit of it for no need that is known) and 2 x 5; 4 units at 1 are all that can be done of the first.
        let plan = model.plan(&[0.9, 0.5, 0.01], 30.0).unwrap();
        assert_eq!((plan.units.as_slice(), plan.idle.as_slice()), ([3, 1, 2].as_slice(), [0, 1, 2].as_slice()));
        assert!((model.cost(&plan) - 20.0).abs() < 1e-12);
        let refused = |total| model.plan(&[0.9, 0.5, 0.01], total).unwrap_err().to_string();
        assert!(refused(15.0).contains("cost 16.00, and the total is 15.00"));
        for total in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(refused(total).contains("give an amount of money"));
        }
    }

    #[test]
    fn nothing_to_fund_is_a_plan_too() {
        let empty = Model::default();
        assert!(empty.plan(&[], 5.0).unwrap().units.is_empty());
        assert_eq!(empty.shadow_price(&[], 5.0).unwrap(), 0.0);
        let no_need = Model { lines: vec![line(1.0, None, 0, &[0])], needs: vec![0] };
        assert_eq!(no_need.plan(&[1.0], 5.0).unwrap().units, [0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_other_plan_is_better_than_said(
            lines in prop::collection::vec((1u32..6, prop::option::of(1u64..5), 0u64..2, 0u64..4, 0u64..4), 1..3),
            values in prop::collection::vec(0.0..1.0f64, 4), total in 0u32..30,
        ) {
            let mut model = Model::default();
            for (cost, capacity, minimum, first, second) in lines {
                let items = vec![model.needs.len(), model.needs.len() + 1];
                model.needs.extend([first, second]);
                let capacity = capacity.map(|capacity| capacity.max(minimum));
                model.lines.push(Line { unit_cost: f64::from(cost), capacity, minimum, items });
            }
            let values = &values[..model.needs.len()];
            let best = best_by_trying_all(&model, values, f64::from(total));
            match model.plan(values, f64::from(total)) {
                Ok(plan) => {
                    let (value, bound) = (worth(&plan.units, values), model.relaxed(values, f64::from(total)).unwrap().value);
                    let best = best.unwrap();
                    prop_assert!(value <= best + 1e-6, "{} is more than the best, {}", value, best);
                    prop_assert!(best - value <= plan.gap * bound + 1e-6, "{} is worse than said: {}", value, best);
                    prop_assert!(value >= 0.8 * best - 1e-6, "{} is far from the best, {}", value, best);
                    prop_assert!(model.cost(&plan) <= f64::from(total));
                    for (line, idle) in model.lines.iter().zip(&plan.idle) {
                        let units = model.units(line, &plan);
                        prop_assert!(units + idle >= line.minimum && line.capacity.is_none_or(|capacity| units <= capacity));
                    }
                }
                Err(error) => prop_assert!(best.is_none(), "{}", error),
            }
        }
    }

    /// The largest value of any plan that keeps to the lines; `None` where none does.
    fn best_by_trying_all(model: &Model, values: &[f64], total: f64) -> Option<f64> {
        let mut best: Option<f64> = None;
        let mut units = vec![0u64; model.needs.len()];
        loop {
            let plan = Plan { units: units.clone(), idle: model.idle(), gap: 0.0 };
            let keeps = model.lines.iter().zip(&plan.idle).all(|(line, idle)| {
                let units: u64 = line.items.iter().map(|item| plan.units[*item]).sum();
                units + idle >= line.minimum && line.capacity.is_none_or(|capacity| units <= capacity)
            });
            if keeps && model.cost(&plan) <= total {
                let value: f64 = units.iter().zip(values).map(|(units, value)| *units as f64 * value).sum();
                best = Some(best.map_or(value, |best| best.max(value)));
            }
            let Some(next) = (0..units.len()).find(|i| units[*i] < model.needs[*i]) else { return best };
            units[next] += 1;
            units[..next].fill(0);
        }
    }
}

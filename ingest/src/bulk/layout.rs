//! What a table's columns mean: logical columns with their many names, and the rule that makes records of a row.

use feedback::{Feedback, Timestamp};

/// A column that a layout reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// What it holds, for messages.
    pub label: String,
    /// The names it had over the years, the present one first.
    pub names: Vec<String>,
    /// Whether a file without it is refused.
    pub required: bool,
    /// Whether names must agree to the letter; otherwise case, spaces and punctuation do not matter.
    pub exact: bool,
}

impl Column {
    /// A portal's column, by any of its names.
    pub fn portal(label: &str, names: &[&str], required: bool) -> Self {
        Self { label: label.into(), names: names.iter().map(|name| (*name).to_owned()).collect(), required, exact: false }
    }

    /// How early among this column's names a file's name stands; nothing if it is none of them.
    pub fn rank(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| if self.exact { known == name } else { same_name(known, name) })
    }
}

/// A row's cells by logical column.
pub trait Cells {
    /// The text of a column, trimmed; nothing when it is blank or the file has no such column.
    fn get(&self, column: usize) -> Option<&str>;
}

/// A row that is no record, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError(pub String);

/// Something odd that a row says without making it useless. What is done about each is said here, and each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fact {
    /// Closed before it was opened: the row's last update stands in if it is later than the opening, else the time is unknown.
    ClosedBeforeOpened,
    /// Closed, opened or updated more than a day after the import's own clock: that time is unknown.
    InTheFuture,
    /// A closing time on a case that is open: the status counts, the time only as a moment at which the case changed.
    ClosingTimeOnOpenCase,
    /// Closed without a closing time: a report with its status, but no closing event.
    ClosedWithoutTime,
    /// An optional time that is no time: unknown.
    UnreadableTime,
    /// A date that means "none" (1900-01-01, 9999-12-31): unknown.
    PlaceholderTime,
    /// A point that means "unknown" (0,0 or the portal's default point): no coordinates.
    PlaceholderPoint,
    /// Latitude without longitude, or the reverse: no coordinates.
    HalfAPoint,
    /// A word for status or channel that is not known: left empty (status) or `other` (channel).
    UnknownWord,
}

impl Fact {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::ClosedBeforeOpened,
        Self::InTheFuture,
        Self::ClosingTimeOnOpenCase,
        Self::ClosedWithoutTime,
        Self::UnreadableTime,
        Self::PlaceholderTime,
        Self::PlaceholderPoint,
        Self::HalfAPoint,
        Self::UnknownWord,
    ];

    /// In words, for a summary.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClosedBeforeOpened => "closed before it was opened",
            Self::InTheFuture => "a time in the future",
            Self::ClosingTimeOnOpenCase => "a closing time on an open case",
            Self::ClosedWithoutTime => "closed without a time",
            Self::UnreadableTime => "an unreadable optional time",
            Self::PlaceholderTime => "a placeholder date",
            Self::PlaceholderPoint => "a placeholder point",
            Self::HalfAPoint => "half a point",
            Self::UnknownWord => "an unknown status or channel",
        }
    }
}

/// How often each [`Fact`] was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts([u64; Fact::ALL.len()]);

impl Facts {
    /// Met once more.
    pub fn note(&mut self, fact: Fact) {
        self.0[fact as usize] += 1;
    }

    /// How often.
    pub fn count(&self, fact: Fact) -> u64 {
        self.0[fact as usize]
    }

    /// Adds another count.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// Those that were met, with their counts.
    pub fn met(&self) -> impl Iterator<Item = (Fact, u64)> + '_ {
        Fact::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

/// What converting rows needs and yields.
#[derive(Debug)]
pub struct Conversion {
    /// The import's clock at the block's arrival: `received_at`.
    pub now: Timestamp,
    /// The records so far.
    pub records: Vec<Feedback>,
    /// What was odd.
    pub facts: Facts,
}

/// How the rows of a kind of table become records.
pub trait Layout: Send {
    /// The first part of every id.
    fn source(&self) -> &str;
    /// The logical columns; their positions are the numbers that [`Cells::get`] takes.
    fn columns(&self) -> &[Column];
    /// Makes records of a row.
    ///
    /// # Errors
    /// The row cannot be understood; nothing was pushed then.
    fn convert(&self, cells: &dyn Cells, conversion: &mut Conversion) -> Result<(), RowError>;
}

/// The file's column behind each logical one.
///
/// # Errors
/// A required column is missing (the message names the nearest that is there), or a name fits two columns.
pub fn bind(columns: &[Column], header: &[String]) -> Result<Vec<Option<usize>>, String> {
    columns.iter().map(|column| bind_one(column, header)).collect()
}

fn bind_one(column: &Column, header: &[String]) -> Result<Option<usize>, String> {
    for (rank, name) in column.names.iter().enumerate() {
        let mut found = header
            .iter()
            .enumerate()
            .filter(|(_, candidate)| column.rank(candidate) == Some(rank))
            .map(|(position, _)| position);
        match (found.next(), found.next()) {
            (Some(one), Some(other)) => {
                return Err(format!("columns {} and {} are both named `{name}`: rename one", one + 1, other + 1));
            }
            (Some(position), None) => return Ok(Some(position)),
            _ => {}
        }
    }
    if !column.required {
        return Ok(None);
    }
    let wanted = column.names.first().map_or("", String::as_str);
    let hint = nearest(wanted, header.iter().map(String::as_str))
        .map_or_else(|| format!("it has {}", list(header)), |near| format!("did you mean `{near}`?"));
    Err(format!("no column `{wanted}` ({}); {hint}", column.label))
}

/// The known word that is nearest to what was written, if any is near.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let simple = simplified(written).collect::<String>();
    known
        .into_iter()
        .map(|word| (strsim::normalized_damerau_levenshtein(&simple, &simplified(word).collect::<String>()), word))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

fn list(header: &[String]) -> String {
    let mut names = header.iter().take(40).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if header.len() > 40 {
        names.push_str(", ...");
    }
    names
}

/// Whether two column names differ only in case, spaces and punctuation.
pub fn same_name(a: &str, b: &str) -> bool {
    simplified(a).eq(simplified(b))
}

fn simplified(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_are_found_in_any_spelling_the_present_one_first() {
        let columns =
            [Column::portal("due time", &["sla_target_dt", "target_dt"], false), Column::portal("id", &["Unique Key"], true)];
        assert_eq!(bind(&columns, &header(&["unique_key", "TARGET DT"])), Ok(vec![Some(1), Some(0)]));
        assert_eq!(bind(&columns, &header(&["Unique Key", "target_dt", "SLA Target Dt"])), Ok(vec![Some(2), Some(0)]));
    }

    #[test]
    fn a_missing_column_is_named_with_the_nearest_that_is_there() {
        let columns = [Column::portal("id", &["Unique Key"], true)];
        assert_eq!(
            bind(&columns, &header(&["uniqe_key", "b"])).unwrap_err(),
            "no column `Unique Key` (id); did you mean `uniqe_key`?"
        );
        assert_eq!(bind(&columns, &header(&["x", "y"])).unwrap_err(), "no column `Unique Key` (id); it has `x`, `y`");
        assert!(bind(&columns, &header(&["Unique Key", "unique_key"])).unwrap_err().contains("both named"));
    }
}

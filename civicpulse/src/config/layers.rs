//! Layers of configuration: the defaults, a file over them, environment variables over that. What no layer knows is refused
//! with the nearest name that is known.

use toml::{Table, Value};

/// Environment variables with this prefix set one value each: `CIVICPULSE__STREAM__KIND=kafka`.
pub const ENV_PREFIX: &str = "CIVICPULSE__";

/// Why a layer was refused. The operator's to correct.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayerError {
    /// Not TOML.
    #[error("{layer}: not TOML: {problem}")]
    Syntax {
        /// Which layer.
        layer: String,
        /// Where and why.
        problem: String,
    },
    /// A key that nobody reads.
    #[error("{layer}: unknown setting `{key}`{hint}")]
    Unknown {
        /// Which layer.
        layer: String,
        /// The key with its sections.
        key: String,
        /// `, did you mean ...?`
        hint: String,
    },
    /// A section where a value belongs, or the reverse.
    #[error("{layer}: `{key}` must be {expected}")]
    Shape {
        /// Which layer.
        layer: String,
        /// The key with its sections.
        key: String,
        /// A section or a value.
        expected: &'static str,
    },
}

/// Tables whose keys are free, because something else defines them.
const FREE: [&str; 1] = ["stream.kafka.client"];

/// The list of live sources: the defaults have none, and each kind knows its own settings.
const SOURCES: &str = "source";

/// Parses one layer.
pub fn parse(layer: &str, text: &str) -> Result<Table, LayerError> {
    text.parse().map_err(|error: toml::de::Error| LayerError::Syntax { layer: layer.into(), problem: error.to_string() })
}

/// Lays `over` upon `base`, which knows every key.
pub fn lay(layer: &str, base: &mut Table, over: Table) -> Result<(), LayerError> {
    lay_section(layer, "", base, over)
}

fn lay_section(layer: &str, section: &str, base: &mut Table, over: Table) -> Result<(), LayerError> {
    for (name, value) in over {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        if FREE.contains(&key.as_str()) || key == SOURCES {
            base.insert(name, value);
            continue;
        }
        match (base.get_mut(&name), value) {
            (None, _) => return Err(LayerError::Unknown { layer: layer.into(), hint: hint(&name, base), key }),
            (Some(Value::Table(base)), Value::Table(over)) => lay_section(layer, &key, base, over)?,
            (Some(Value::Table(_)), _) => return Err(LayerError::Shape { layer: layer.into(), key, expected: "a section" }),
            (Some(_), Value::Table(_)) => return Err(LayerError::Shape { layer: layer.into(), key, expected: "a value" }),
            (Some(known), value) => *known = value,
        }
    }
    Ok(())
}

/// The environment's layer from variables as the process has them; others than [`ENV_PREFIX`]'s are none of ours.
pub fn from_environment(variables: impl Iterator<Item = (String, String)>) -> Table {
    let mut layer = Table::new();
    for (name, text) in variables {
        let Some(path) = name.strip_prefix(ENV_PREFIX) else { continue };
        let path = path.to_ascii_lowercase();
        let mut steps: Vec<&str> = path.split("__").collect();
        let Some(last) = steps.pop() else { continue };
        let mut section = &mut layer;
        for step in steps {
            let next = section.entry(step).or_insert_with(|| Value::Table(Table::new()));
            if !next.is_table() {
                *next = Value::Table(Table::new());
            }
            section = next.as_table_mut().expect("made a table in the line above");
        }
        section.insert(last.to_owned(), literal(&text));
    }
    layer
}

/// A TOML literal where the text is one (`8`, `true`, `[1, 2]`), else the text itself.
fn literal(text: &str) -> Value {
    format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value")).unwrap_or_else(|| text.into())
}

fn hint(name: &str, known: &Table) -> String {
    let nearest = known.keys().map(|key| (strsim::damerau_levenshtein(name, key), key)).min();
    match nearest {
        Some((distance, key)) if distance <= name.len().div_ceil(2) => format!(", did you mean `{key}`?"),
        _ => format!(": there are {}", known.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Table {
        parse("defaults", "[stream]\nkind = 'embedded'\n[stream.kafka]\npartitions = 8\n[stream.kafka.client]\n").unwrap()
    }

    #[test]
    fn later_layers_win_value_by_value() {
        let mut config = base();
        lay("f", &mut config, parse("f", "[stream.kafka]\npartitions = 3\nclient = {\"ssl.ca.location\" = 'x'}").unwrap())
            .unwrap();
        let env = [("CIVICPULSE__STREAM__KIND".to_owned(), "kafka".to_owned()), ("HOME".to_owned(), "x".to_owned())];
        lay("environment", &mut config, from_environment(env.into_iter())).unwrap();
        assert_eq!(config["stream"]["kind"].as_str(), Some("kafka"));
        assert_eq!(config["stream"]["kafka"]["partitions"].as_integer(), Some(3));
        assert_eq!(config["stream"]["kafka"]["client"]["ssl.ca.location"].as_str(), Some("x"));
    }

    #[test]
    fn what_nobody_knows_is_refused_with_the_nearest_name() {
        let over = parse("city.toml", "[stream.kafka]\npartitons = 3").unwrap();
        let error = lay("city.toml", &mut base(), over).unwrap_err();
        assert_eq!(error.to_string(), "city.toml: unknown setting `stream.kafka.partitons`, did you mean `partitions`?");
        let error = lay("f", &mut base(), parse("f", "stream = 1").unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "f: `stream` must be a section");
        assert!(parse("f", "=").unwrap_err().to_string().starts_with("f: not TOML"));
    }
}

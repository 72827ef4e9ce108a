//! Secrets: from a file or the environment, never from the configuration itself, never in a log.

use std::fmt;
use std::path::Path;

/// A secret that does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret, for the one who checks it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Why a secret cannot be had. The operator's to correct.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct SecretError {
    setting: String,
    problem: String,
}

/// Reads a secret from `file` where one is configured, else from the environment variable `variable`; `None` where neither is
/// set. Surrounding blanks and line breaks do not count; an empty secret is refused.
pub fn read(setting: &str, file: Option<&Path>, variable: &str) -> Result<Option<Secret>, SecretError> {
    let wrong = |problem: String| SecretError { setting: setting.to_owned(), problem };
    let text = match file {
        Some(file) => {
            Some(std::fs::read_to_string(file).map_err(|error| wrong(format!("{} cannot be read: {error}", file.display())))?)
        }
        None => std::env::var(variable).ok(),
    };
    match text.as_deref().map(str::trim) {
        None => Ok(None),
        Some("") => Err(wrong("the secret is empty: write one, or remove the setting".to_owned())),
        Some(secret) => Ok(Some(Secret(secret.to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_wins_and_a_missing_or_empty_one_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();
        let secret = read("http.api_token_file", Some(&file), "CIVICPULSE_NOT_SET").unwrap().unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("s3cret", "(secret)"));
        std::fs::write(&file, " \n").unwrap();
        assert!(read("x", Some(&file), "CIVICPULSE_NOT_SET").unwrap_err().to_string().contains("empty"));
        assert!(read("x", Some(&dir.path().join("none")), "CIVICPULSE_NOT_SET").is_err());
        assert!(read("x", None, "CIVICPULSE_NOT_SET").unwrap().is_none());
    }
}

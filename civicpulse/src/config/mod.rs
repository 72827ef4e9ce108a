//! Configuration: one commented file of defaults ([`DEFAULTS`]), a file of the city over it, the environment over that.

pub mod layers;
pub mod secrets;
pub mod sections;
pub mod tiers;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aggregate::tables::allocation::AllocationConfig;
use aggregate::tables::priorities::PriorityConfig;
use aggregate::tables::trends::TrendConfig;
use aggregate::tables::under_reporting::UnderReportingConfig;
use aggregate::{IncidentConfig, WindowSpec};
use anyhow::{Context, Result, bail};
use feedback::time::DAY_US;
use ingest::webhook::WebhookConfig;
use serde::Deserialize;
use stream::{EmbeddedConfig, KafkaConfig, StreamConfig};

pub use self::sections::{
    AggregateSection, CityConfig, DataConfig, EnrichSection, HttpConfig, LogConfig, LogFormat, PostgresSection, PublishSection,
    ServiceLevelsSection, SourceConfig, StreamKind, StreamSection, TrendsSection, UnderReportingSection,
};
use self::tiers::{ModelsSection, TierName};
use crate::cli::ConfigArgs;

/// Every setting with its default and its meaning.
pub const DEFAULTS: &str = include_str!("default.toml");

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Local files.
    pub data: DataConfig,
    /// Logging.
    pub log: LogConfig,
    /// Reference data.
    pub city: CityConfig,
    /// HTTP.
    pub http: HttpConfig,
    /// Postgres wire.
    pub postgres: PostgresSection,
    /// Bounds on queries.
    pub queries: sql::Limits,
    /// The log.
    pub stream: StreamSection,
    /// Enrichment.
    pub enrich: EnrichSection,
    /// Reading texts.
    pub models: ModelsSection,
    /// Aggregation.
    pub aggregate: AggregateSection,
    /// When a difference is called a trend.
    pub trends: TrendsSection,
    /// How priorities are ranked.
    pub priorities: PriorityConfig,
    /// How plans are made.
    pub allocation: AllocationConfig,
    /// How long the city takes.
    pub service_levels: ServiceLevelsSection,
    /// When reports are about the same thing.
    pub incidents: IncidentConfig,
    /// How often people report what they see.
    pub under_reporting: UnderReportingSection,
    /// What everybody may see.
    pub publish: PublishSection,
    /// Live sources.
    #[serde(default, rename = "source")]
    pub sources: Vec<SourceConfig>,
    /// Identifies the settings: the same ones give the same hash, wherever the data lie.
    #[serde(skip)]
    pub hash: String,
}

impl Config {
    /// The defaults, the file that `arguments` name, and this process's environment.
    ///
    /// # Errors
    /// A layer cannot be read, or says what nobody understands.
    pub fn load(arguments: &ConfigArgs) -> Result<Self> {
        let file = match &arguments.config {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
                Some((path.display().to_string(), text))
            }
            None => None,
        };
        let file = file.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
        let mut config = Self::from_layers(
            file,
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )?;
        if let Some(dir) = &arguments.data_dir {
            config.data.dir.clone_from(dir);
        }
        config.city.files.clone_from(&arguments.districts);
        if let Some(property) = &arguments.district_name {
            config.city.districts_name_property.clone_from(property);
        }
        Ok(config)
    }

    /// The defaults, a file's text with its name, and variables.
    ///
    /// # Errors
    /// A layer says what nobody understands.
    pub fn from_layers(file: Option<(&str, &str)>, variables: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let mut table = layers::parse("the defaults", DEFAULTS)?;
        if let Some((name, text)) = file {
            layers::lay(name, &mut table, layers::parse(name, text)?)?;
        }
        layers::lay("the environment", &mut table, layers::from_environment(variables))?;
        let hash = hash(&table);
        let mut config: Self = table.try_into().map_err(|error: toml::de::Error| anyhow::anyhow!("configuration: {error}"))?;
        config.hash = hash;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        if !(1..=256).contains(&self.enrich.workers) {
            bail!("enrich.workers is {}: use 1 to 256", self.enrich.workers);
        }
        for (name, value, least) in [
            ("http.connections", self.http.connections as u64, 1),
            ("http.header_timeout_ms", self.http.header_timeout_ms, 100),
            ("postgres.connections", self.postgres.connections as u64, 1),
            ("postgres.login_timeout_ms", self.postgres.login_timeout_ms, 100),
            ("postgres.unread_timeout_ms", self.postgres.unread_timeout_ms.into(), 100),
        ] {
            if value < least {
                bail!("{name} is {value}: use {least} or more");
            }
        }
        if self.postgres.tls_certificate_file.as_os_str().is_empty() != self.postgres.tls_key_file.as_os_str().is_empty() {
            bail!("postgres.tls_certificate_file and postgres.tls_key_file belong together: set both or neither");
        }
        if self.publish.threshold < 3 {
            bail!("publish.threshold is {}: use 3 or more, fewer protect nobody", self.publish.threshold);
        }
        self.models.check()?;
        self.aggregate(None).check()?;
        Ok(())
    }

    /// The log's configuration. A reader that is a thousand times slower gets smaller batches: a worker that does not poll in
    /// time loses its partitions.
    pub fn stream(&self) -> StreamConfig {
        let most = if self.models.tier == TierName::Transformer { tiers::TRANSFORMER_FETCH_BYTES } else { usize::MAX };
        match self.stream.kind {
            StreamKind::Kafka => {
                let kafka = self.stream.kafka.clone();
                StreamConfig::Kafka(KafkaConfig { fetch_bytes: kafka.fetch_bytes.min(most), ..kafka })
            }
            StreamKind::Embedded => {
                let (dir, embedded) = (self.data.dir.join("log"), self.stream.embedded.clone());
                StreamConfig::Embedded(EmbeddedConfig { dir, fetch_bytes: embedded.fetch_bytes.min(most), ..embedded })
            }
        }
    }

    /// The aggregator's configuration, with checkpoints where told.
    pub fn aggregate(&self, checkpoint_dir: Option<PathBuf>) -> aggregate::Config {
        let section = &self.aggregate;
        let days = |days: u32| i64::from(days) * DAY_US;
        let mut windows = aggregate::Config::default().windows;
        windows.extend(section.more_windows_days.iter().map(|n| WindowSpec::new(&format!("{n} days"), days(*n))));
        aggregate::Config {
            allowed_disorder_us: i64::from(section.allowed_disorder_s) * 1_000_000,
            idle_after_us: i64::from(section.idle_after_s) * 1_000_000,
            retention_us: days(section.retention_days),
            minute_cells_us: days(section.minute_cells_days),
            hour_cells_us: days(section.hour_cells_days),
            day_cells_us: days(section.day_cells_days),
            windows,
            trends: TrendConfig {
                max_q_value: self.trends.max_q_value,
                min_ratio: self.trends.min_ratio,
                min_change: self.trends.min_change,
            },
            priorities: self.priorities,
            allocation: self.allocation.clone(),
            configuration_hash: String::new(),
            min_cases: self.service_levels.min_cases,
            again_within_days: self.service_levels.again_within_days,
            incidents: self.incidents.clone(),
            under_reporting: UnderReportingConfig {
                history_days: self.under_reporting.history_days,
                max_exposure_days: self.under_reporting.max_exposure_days,
                standing_days: self.under_reporting.standing_days,
            },
            segment_rows: section.segment_rows,
            publish_interval_us: i64::from(section.publish_interval_ms) * 1_000,
            checkpoint_dir,
            checkpoint_interval_us: i64::from(section.checkpoint_interval_ms) * 1_000,
        }
    }

    /// The webhook's configuration, with its token.
    ///
    /// # Errors
    /// The token cannot be read.
    pub fn webhook(&self) -> Result<WebhookConfig> {
        let token = secrets::read("http.api_token_file", given(&self.http.api_token_file), "CIVICPULSE_API_TOKEN")?;
        Ok(WebhookConfig {
            max_body_bytes: self.http.max_body_bytes,
            max_concurrent: self.http.max_concurrent,
            log_timeout_ms: self.http.log_timeout_ms,
            bearer_token: token.map(|token| token.expose().to_owned()),
            ..WebhookConfig::default()
        })
    }

    /// The Postgres server's configuration, with its password.
    ///
    /// # Errors
    /// The password cannot be read.
    pub fn postgres(&self) -> Result<sql::postgres::PostgresConfig> {
        let section = &self.postgres;
        let password = secrets::read("postgres.password_file", given(&section.password_file), "CIVICPULSE_POSTGRES_PASSWORD")?;
        Ok(sql::postgres::PostgresConfig {
            listen: section.listen,
            user: section.user.clone(),
            password: password.map(|password| sql::postgres::Secret::new(password.expose())),
            tls: given(&section.tls_certificate_file)
                .zip(given(&section.tls_key_file))
                .map(|(certificate, key)| sql::postgres::TlsFiles { certificate: certificate.to_owned(), key: key.to_owned() }),
            connections: section.connections,
            login_timeout_ms: section.login_timeout_ms,
            unread_timeout_ms: section.unread_timeout_ms,
            stop_grace_ms: section.stop_grace_ms,
        })
    }

    /// Where the districts lie; an empty index where no file is configured.
    ///
    /// # Errors
    /// The file cannot be read or is not what it should be.
    pub fn districts(&self) -> Result<Arc<enrich::DistrictIndex>> {
        let named = self.city.files.iter().find(|file| crate::reference::is_geojson(file)).map(PathBuf::as_path);
        let index = match named.or(given(&self.city.districts_file)) {
            Some(file) => enrich::DistrictIndex::from_file(file, &self.city.districts_name_property)?,
            None => enrich::DistrictIndex::default(),
        };
        Ok(Arc::new(index))
    }

    /// Who lives in the districts and what meeting a need costs, as far as the city supplies it: what the files of the
    /// configuration say, and over it what those of the command line say.
    ///
    /// # Errors
    /// A file cannot be read or is not what it should be.
    pub fn reference(&self) -> Result<aggregate::Reference> {
        let configured = [given(&self.city.districts_file), given(&self.city.population_file)];
        let files = configured.into_iter().flatten().chain(self.city.files.iter().map(PathBuf::as_path));
        let mut reference = crate::reference::from_files(files, &self.city.districts_name_property)?;
        if let Some(file) = given(&self.city.budgets_file) {
            reference.budgets = crate::budgets::from_file(file)?;
        }
        Ok(reference)
    }
}

/// BLAKE3 of every setting that can change a figure or who may see it, by name; where the data lie is none of them.
fn hash(settings: &toml::Table) -> String {
    let mut settings = settings.clone();
    settings.remove("data");
    // A TOML table is sorted by key.
    blake3::hash(settings.to_string().as_bytes()).to_hex()[..HASH_DIGITS].to_owned()
}

/// Hexadecimal digits of a configuration's hash: enough to tell any two apart, few enough to read out.
const HASH_DIGITS: usize = 32;

/// A path that was set: the empty one means "none".
fn given(path: &Path) -> Option<&Path> {
    (!path.as_os_str().is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> impl Iterator<Item = (String, String)> {
        std::iter::empty()
    }

    #[test]
    fn the_commented_defaults_are_the_defaults_of_the_code() {
        let config = Config::from_layers(None, none()).unwrap();
        assert_eq!(config.aggregate(None), aggregate::Config::default());
        assert_eq!(config.queries, sql::Limits::default());
        assert_eq!(config.stream.embedded, EmbeddedConfig::default());
        assert_eq!(config.stream.kafka, KafkaConfig::default());
        assert_eq!(config.log.filter, LogConfig::default().filter);
        assert_eq!(config.models.cascade.policy(), models::cascade::Policy::default());
        let (webhook, default) = (config.webhook().unwrap(), WebhookConfig::default());
        assert_eq!((webhook.max_body_bytes, webhook.max_concurrent), (default.max_body_bytes, default.max_concurrent));
        assert_eq!(webhook.log_timeout_ms, default.log_timeout_ms);
        let (postgres, default) = (config.postgres().unwrap(), sql::postgres::PostgresConfig::default());
        assert_eq!(
            (postgres.listen, &postgres.user, postgres.connections),
            (default.listen, &default.user, default.connections)
        );
        let times =
            |config: &sql::postgres::PostgresConfig| (config.login_timeout_ms, config.unread_timeout_ms, config.stop_grace_ms);
        assert_eq!(times(&postgres), times(&default));
    }

    #[test]
    fn the_hash_follows_the_settings_and_not_the_place() {
        let hash = |text: &str| Config::from_layers(Some(("city.toml", text)), none()).unwrap().hash;
        assert_eq!(hash("").len(), HASH_DIGITS);
        assert_eq!(hash(""), hash("[data]\ndir = 'elsewhere'\n[priorities]\ntop_k = 10"));
        assert_ne!(hash(""), hash("[priorities]\ntop_k = 5"));
        assert_ne!(hash(""), hash("[incidents.classes.noise]\nspan_days = 2"));
    }

    #[test]
    fn contradictions_and_unknown_settings_are_refused() {
        let refused = |text: &str| format!("{:#}", Config::from_layers(Some(("city.toml", text)), none()).unwrap_err());
        assert!(refused("[enrich]\nworkers = 0").contains("enrich.workers is 0"));
        assert!(refused("[enrich]\nworker = 2").contains("did you mean `workers`?"));
        assert!(refused("[postgres]\ntls_key_file = 'k'").contains("belong together"));
        assert!(refused("[aggregate]\nminute_cells_days = 0").contains("minute_cells_us"));
        assert!(refused("[http]\nconnections = 0").contains("http.connections is 0: use 1 or more"));
        assert!(refused("[postgres]\nlogin_timeout_ms = 1").contains("postgres.login_timeout_ms is 1: use 100 or more"));
        assert!(refused("[models]\ntier = 'transfomer'").contains("compact"));
        assert!(refused("[models.cascade]\naudit_share = 2").contains("models.cascade.audit_share is 2"));
        assert!(refused("[models.cascade]\nbudget_texts_per_s = -1").contains("budget_texts_per_s is -1"));
        let asked = refused("[models]\ntier = 'cascade'");
        let reason = if crate::tier::HAS_TRANSFORMER { "models.transformer.dir" } else { "--features transformer" };
        assert!(asked.contains(reason), "{asked}");
        assert!(refused("[priorities.weights]\nseverity = -1").contains("priority weight `severity` is -1"));
        assert!(refused("[priorities.weights]\nvolume = 1").contains("unknown setting `priorities.weights.volume`"));
        assert!(refused("[incidents]\nwords_alike = 2").contains("incidents.words_alike is 2"));
        assert!(refused("[incidents.classes.noise]\nfar_m = 9999").contains("incidents.classes.noise.far_m is 9999"));
        assert!(refused("[incidents.classes.noise]\nspan_days = -1").contains("span_days"));
        assert!(refused("[incidents.classes.noise]\ntopics = ['noyse']").contains("`noyse`"));
        assert!(refused("[incidents.classes.noise]\ntopics = ['roads']").contains("which incidents.classes.noise has too"));
        assert!(refused("[incidents.classes.nois]\nfar_m = 90").contains("did you mean `noise`?"));
        assert!(refused("[allocation]\ndraws = 0").contains("allocation.draws is 0"));
        assert!(refused("[http]\nlisten = 'everywhere'").contains("socket address"));
    }
}

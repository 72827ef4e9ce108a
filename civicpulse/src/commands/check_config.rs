//! `civicpulse check-config`: whether a configuration can work, without starting anything.

use anyhow::Result;

use crate::cli::ConfigArgs;
use crate::config::Config;
use crate::node::City;

/// Reads every layer, secret and reference file, and says what would be used.
pub fn execute(arguments: &ConfigArgs) -> Result<()> {
    let config = Config::load(arguments)?;
    let (webhook, postgres) = (config.webhook()?, config.postgres()?);
    let city = City::configured(&config)?;
    let yes = |present: bool| if present { "yes" } else { "no" };
    println!("data directory   {}", config.data.dir.display());
    println!("log              {:?}", config.stream.kind);
    println!("HTTP             {} (token: {})", config.http.listen, yes(webhook.bearer_token.is_some()));
    println!(
        "Postgres         {} (password: {}, TLS: {})",
        postgres.listen,
        yes(postgres.password.is_some()),
        yes(postgres.tls.is_some())
    );
    println!("districts        {} polygons, {} with residents", city.districts.len(), city.reference.districts.len());
    println!("sources          {}", config.sources.len());
    println!("workers          {}", config.enrich.workers);
    println!("tier             {:?}", config.models.tier);
    println!("the configuration is fine");
    Ok(())
}

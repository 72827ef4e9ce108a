//! What is deployed: the compose file, the alert rules, the scrape configuration.

use std::process::Command;

use crate::support::{program, root, succeed};

fn is_there(program: &str, arguments: &[&str]) -> bool {
    let found = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: `{program} {}` is not there", arguments.join(" "));
    }
    found
}

#[test]
fn the_compose_file_is_clean_and_opens_loopback_ports_only() {
    let compose = std::fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    let ports = compose.lines().filter_map(|line| line.trim().strip_prefix("ports: [")).flat_map(|list| list.split(','));
    for port in ports {
        assert!(port.trim().trim_matches(['"', ']']).starts_with("127.0.0.1:"), "{port} is open beyond loopback");
    }
    // The plugin of today and the program of before read the same file.
    for (program, compose) in [("docker", &["compose"][..]), ("docker-compose", &[])] {
        if is_there(program, &[compose, &["version"]].concat()) {
            let config = [compose, &["config", "--quiet"]].concat();
            let output = Command::new(program).args(&config).current_dir(root()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.trim().is_empty(), "{program} {}: {said}", config.join(" "));
        }
    }
}

#[test]
fn prometheus_accepts_its_configuration_and_the_alerts() {
    if !is_there("promtool", &["--version"]) {
        return;
    }
    let deploy = root().join("deploy");
    succeed(Command::new("promtool").args(["check", "rules", "alerts.yml"]).current_dir(&deploy));
    succeed(Command::new("promtool").args(["check", "config", "prometheus.yml"]).current_dir(&deploy));
}

#[test]
fn the_deployed_configuration_is_fine_with_its_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let secret = |name: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, "ab".repeat(32)).unwrap();
        file
    };
    let said = succeed(
        program()
            .args(["check-config", "--config"])
            .arg(root().join("deploy/civicpulse.toml"))
            .env("CIVICPULSE__HTTP__API_TOKEN_FILE", secret("api_token"))
            .env("CIVICPULSE__POSTGRES__PASSWORD_FILE", secret("postgres_password"))
            .env("CIVICPULSE__ENRICH__PSEUDONYM_KEY_FILE", secret("pseudonym_key")),
    );
    assert!(said.contains("the configuration is fine"), "{said}");
}

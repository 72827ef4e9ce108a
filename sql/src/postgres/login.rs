//! Who may come in: everybody on loopback without a password, one user by SCRAM-SHA-256 with one, nobody when full.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion_postgres::pgwire::api::auth::sasl::SASLAuthStartupHandler;
use datafusion_postgres::pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramAuth, gen_salted_password, random_nonce};
use datafusion_postgres::pgwire::api::auth::{
    AuthSource, LoginInfo, Password, ServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use datafusion_postgres::pgwire::api::{ClientInfo, PidSecretKeyGenerator, RandomPidSecretKeyGenerator};
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use futures::Sink;

use super::Secret;
use crate::pg_functions::{POSTGRES_VERSION, setting};

/// What clients are told at the beginning.
pub(super) struct Parameters;

impl ServerParameterProvider for Parameters {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<HashMap<String, String>> {
        // The spelling is the protocol's.
        let told = [
            "client_encoding",
            "DateStyle",
            "default_transaction_read_only",
            "integer_datetimes",
            "IntervalStyle",
            "is_superuser",
            "search_path",
            "server_encoding",
            "standard_conforming_strings",
            "TimeZone",
        ];
        let mut parameters: HashMap<String, String> =
            told.iter().filter_map(|name| Some(((*name).to_owned(), setting(name)?.to_owned()))).collect();
        parameters.insert("in_hot_standby".to_owned(), "on".to_owned());
        parameters
            .insert("server_version".to_owned(), format!("{POSTGRES_VERSION} (civicpulse {})", env!("CARGO_PKG_VERSION")));
        for (from, to) in [("user", "session_authorization"), ("application_name", "application_name")] {
            if let Some(value) = client.metadata().get(from) {
                parameters.insert(to.to_owned(), value.clone());
            }
        }
        Some(parameters)
    }
}

/// The one user and the password's salted hash; made once a server, the salt at random.
#[derive(Clone)]
pub(super) struct Credentials {
    user: String,
    salt: Vec<u8>,
    salted_password: Vec<u8>,
}

impl Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials of {}", self.user)
    }
}

impl Credentials {
    pub(super) fn new(user: &str, password: &Secret) -> Self {
        let salt = random_nonce().into_bytes();
        let salted_password = gen_salted_password(password.expose(), &salt, SCRAM_ITERATIONS);
        Self { user: user.to_owned(), salt, salted_password }
    }
}

#[async_trait]
impl AuthSource for Credentials {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        let hash = match login.user() {
            Some(user) if user == self.user => self.salted_password.clone(),
            // An unknown user fails at the end of the exchange, like a wrong password.
            _ => random_nonce().into_bytes(),
        };
        Ok(Password::new(Some(self.salt.clone()), hash))
    }
}

/// How one connection starts.
pub(super) struct Login {
    how: How,
    /// Whether a connection without TLS is sent away.
    only_tls: bool,
}

enum How {
    /// Without a password.
    Open(Arc<RandomPidSecretKeyGenerator>),
    /// By SCRAM-SHA-256.
    Scram(Box<SASLAuthStartupHandler<Parameters>>),
    /// Not at all: there are too many.
    Full(usize),
}

impl Login {
    /// For a client that may come in.
    pub(super) fn new(credentials: Option<&Credentials>, numbers: &Arc<RandomPidSecretKeyGenerator>, only_tls: bool) -> Self {
        let Some(credentials) = credentials else { return Self { how: How::Open(Arc::clone(numbers)), only_tls } };
        let scram = ScramAuth::new(Arc::new(credentials.clone()));
        let numbers = Arc::clone(numbers) as Arc<dyn PidSecretKeyGenerator>;
        let handler = SASLAuthStartupHandler::new(Arc::new(Parameters)).with_scram(scram);
        Self { how: How::Scram(Box::new(handler.with_pid_secret_key_generator(numbers))), only_tls }
    }

    /// For a client that comes when `limit` connections are open.
    pub(super) fn full(limit: usize) -> Self {
        Self { how: How::Full(limit), only_tls: false }
    }
}

/// An error that ends the connection.
pub(super) fn fatal(code: &str, message: String) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("FATAL".to_owned(), code.to_owned(), message)))
}

#[async_trait]
impl StartupHandler for Login {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if self.only_tls && !client.is_secure() {
            return Err(fatal("28000", "only TLS connections are accepted: connect with sslmode=require".to_owned()));
        }
        match (&self.how, &message) {
            (How::Scram(handler), _) => handler.on_startup(client, message).await,
            (How::Open(numbers), PgWireFrontendMessage::Startup(startup)) => {
                protocol_negotiation(client, startup).await?;
                save_startup_parameters_to_metadata(client, startup);
                let (number, secret) = numbers.generate(client);
                client.set_pid_and_secret_key(number, secret);
                finish_authentication(client, &Parameters).await
            }
            (How::Full(limit), PgWireFrontendMessage::Startup(_)) => {
                let message = format!("{limit} connections are open, and no more are allowed: close one, or raise connections");
                Err(fatal("53300", message))
            }
            _ => Ok(()),
        }
    }
}
